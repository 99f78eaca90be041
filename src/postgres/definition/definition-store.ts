/** Definitions in Postgres. */
import { and, asc, desc, eq, gt, isNotNull, isNull, lt, type SQL, sql } from "drizzle-orm";
import type { Definition, DefinitionBody } from "../../definition/schema.ts";
import type { ChangeContext, DefinitionStore, DefinitionVersion, StoredDefinition } from "../../definition/store.ts";
import { publishesOutcome } from "../../event/publish-outcome.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { type AuditEntry, writeAudit } from "../access/audit.ts";
import { type Database, errorCode, guarded, inChunks, type Transaction } from "../client.ts";
import { definitionRevision, definitions, definitionVersions } from "../definition-tables.ts";
import { watchChanged } from "../expectation/expectation-ledger.ts";
import { dueProgress } from "../ledger-tables.ts";

/** Raised on every change, so that the schedule projector need not wait for its next poll. */
export const DEFINITIONS_CHANNEL = "actcore_definitions";

export type DefinitionRow = typeof definitions.$inferSelect;
type Row = DefinitionRow;

const live = isNull(definitions.deleted_at);

export function createDefinitionStore(db: Database): DefinitionStore {
  async function findLive(condition: SQL): Promise<Row | undefined> {
    const [row] = await guarded(db.select().from(definitions).where(and(condition, live)));
    return row;
  }

  return {
    async create(body, source, { actor }) {
      const row = { id: Bun.randomUUIDv7(), version: 1, source, ...columnsOf(body, null, null) };
      return toDefinition(
        await transact(db, body.name, async (tx) => {
          const [created] = await tx.insert(definitions).values(row).returning();
          return record(tx, created as Row, { actor, action: "create" });
        }),
      );
    },

    async change(id, change, context) {
      let name = "";
      return toDefinition(
        await transact(
          db,
          () => name,
          async (tx) => {
            const before = await lockForChange(tx, id, context);
            const { body, enabled_override } = change(toStored(before));
            name = body.name;
            if (Bun.deepEquals(body, before.body, true) && enabled_override === before.enabled_override) return before;
            const columns = {
              ...columnsOf(body, enabled_override, before.retired_at),
              version: before.version + 1,
              updated_at: sql`now()`,
            };
            const [after] = await tx.update(definitions).set(columns).where(eq(definitions.id, id)).returning();
            return record(tx, after as Row, { actor: context.actor, action: "update", before });
          },
        ),
      );
    },

    async remove(id, context) {
      await transact(db, "", async (tx) => {
        const before = await lockForChange(tx, id, context);
        const set = { deleted_at: sql`now()`, updated_at: sql`now()`, version: before.version + 1 };
        const [after] = await tx.update(definitions).set(set).where(eq(definitions.id, id)).returning();
        return record(tx, after as Row, { actor: context.actor, action: "delete", before });
      });
    },

    async find(id) {
      const row = await findLive(eq(definitions.id, id));
      return row && toDefinition(row);
    },
    async findByName(name) {
      const row = await findLive(eq(definitions.name, name));
      return row && toStored(row);
    },
    async list({ name, enabled, trigger_type, source, retired }, { limit, after }) {
      const conditions = [
        live,
        name === undefined ? undefined : eq(definitions.name, name),
        enabled === undefined ? undefined : eq(definitions.enabled, enabled),
        trigger_type === undefined ? undefined : eq(definitions.trigger_type, trigger_type),
        source === undefined ? undefined : eq(definitions.source, source),
        retired === undefined
          ? undefined
          : retired
            ? isNotNull(definitions.retired_at)
            : isNull(definitions.retired_at),
        after === undefined ? undefined : gt(definitions.name, after),
      ];
      const query = db
        .select()
        .from(definitions)
        .where(and(...conditions));
      return (await guarded(query.orderBy(asc(definitions.name)).limit(limit))).map(toDefinition);
    },
    async listVersions(id, { limit, before }) {
      const older = before === undefined ? undefined : lt(definitionVersions.version, before);
      const query = db
        .select()
        .from(definitionVersions)
        .where(and(eq(definitionVersions.definition_id, id), older));
      return (await guarded(query.orderBy(desc(definitionVersions.version)).limit(limit))).map(toVersion);
    },
    async findVersion(id, version) {
      const one = and(eq(definitionVersions.definition_id, id), eq(definitionVersions.version, version));
      const [row] = await guarded(db.select().from(definitionVersions).where(one));
      return row && toVersion(row);
    },
  };
}

async function lockForChange(tx: Transaction, id: string, { expectedVersion }: ChangeContext): Promise<Row> {
  const [row] = await tx
    .select()
    .from(definitions)
    .where(and(eq(definitions.id, id), live))
    .for("update");
  if (row === undefined) throw new TerminalError("definition_not_found", `definition ${id} is not there`);
  if (expectedVersion !== undefined && expectedVersion !== row.version)
    throw new TerminalError("version_mismatch", `definition ${id} has version ${row.version}, not ${expectedVersion}`, {
      hint: "read it again, and repeat the change on what it says now",
    });
  return row;
}

async function record(
  tx: Transaction,
  row: Row,
  { actor, ...change }: Pick<AuditEntry, "actor" | "action"> & { before?: Row },
): Promise<Row> {
  await recordChanges(tx, actor, [{ ...change, after: row }]);
  return row;
}

export interface RecordedChange {
  action: string;
  before?: DefinitionRow;
  after: DefinitionRow;
}

/** Records what every change brings with it: a version, the revision, a notification, an audit entry. */
export async function recordChanges(tx: Transaction, actor: string, changes: readonly RecordedChange[]): Promise<void> {
  const versions = changes.filter(({ before, after }) => before?.version !== after.version);
  await inChunks(versions, (chunk) =>
    tx
      .insert(definitionVersions)
      .values(
        chunk.map(({ after }) => ({ definition_id: after.id, version: after.version, body: effectiveBody(after) })),
      ),
  );
  // From here on its due times are accounted for, also when it is changed or deleted later.
  const scheduled = versions.filter(({ after }) => after.trigger_type !== "event");
  await inChunks(scheduled, (chunk) =>
    tx
      .insert(dueProgress)
      .values(chunk.map(({ after }) => ({ definition_id: after.id, settled_until: sql`now()` })))
      .onConflictDoNothing(),
  );
  await watchChanged(tx, changes);
  await bumpRevision(tx);
  const ids = JSON.stringify(changes.map(({ after }) => after.id));
  await tx.execute(
    sql`select pg_notify(${DEFINITIONS_CHANNEL}, id) from json_array_elements_text(${ids}::json) as changed(id)`,
  );
  const entries = changes.map(({ action, before, after }) => ({
    actor,
    action,
    subject: `definition:${after.id}`,
    ...(before && { before: toDefinition(before) }),
    ...(after.deleted_at === null && { after: toDefinition(after) }),
  }));
  await writeAudit(tx, ...entries);
}

/** Moves the revision, by which everybody with an index of definitions learns that it has to be loaded anew (I4). */
export async function bumpRevision(tx: Transaction): Promise<void> {
  await tx.update(definitionRevision).set({ revision: sql`${definitionRevision.revision} + 1` });
}

async function transact(
  db: Database,
  name: string | (() => string),
  body: (tx: Transaction) => Promise<Row>,
): Promise<Row> {
  try {
    return await guarded(db.transaction(body));
  } catch (error) {
    if (errorCode(error) !== "23505") throw error;
    throw await describeTaken(db, typeof name === "string" ? name : name());
  }
}

/** Says who has the name: a retired definition keeps its name, and is not found in a list of those that run. */
async function describeTaken(db: Database, name: string): Promise<TerminalError> {
  const query = db
    .select()
    .from(definitions)
    .where(and(eq(definitions.name, name), live));
  const [owner] = await guarded(query);
  const quoted = JSON.stringify(name);
  if (owner === undefined || owner.retired_at === null)
    return new TerminalError("name_taken", `there is a definition named ${quoted} already`);
  const { id, source } = owner;
  return new TerminalError(
    "name_taken",
    `the retired definition ${id}, which came from ${source}, has the name ${quoted}`,
    {
      hint: `delete it (DELETE /activity-definitions/${id}), which frees the name, or put its document back and sync, which revives it`,
    },
  );
}

/** The columns that follow from the body, the override and the retirement. */
export function columnsOf(body: DefinitionBody, enabled_override: boolean | null, retired_at: Date | null) {
  const enabled = retired_at === null && (enabled_override ?? body.enabled);
  const { name, trigger_type } = body;
  return { name, enabled, enabled_override, trigger_type, publish_outcome: publishesOutcome(body), body };
}

function effectiveBody({ body, enabled }: Row): DefinitionBody {
  return { ...body, enabled };
}

function toStored(row: Row): StoredDefinition {
  return { definition: toDefinition(row), body: row.body };
}

export function toDefinition(row: Row): Definition {
  return {
    id: row.id,
    ...effectiveBody(row),
    enabled_override: row.enabled_override,
    version: row.version,
    source: row.source,
    retired_at: row.retired_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function toVersion({ version, body, created_at }: typeof definitionVersions.$inferSelect): DefinitionVersion {
  return { version, ...body, created_at: created_at.toISOString() };
}
