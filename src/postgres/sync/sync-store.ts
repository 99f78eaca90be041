/** A sync's rows in Postgres: read in bulk, written in one transaction. */
import { and, asc, eq, inArray, isNull, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { DefinitionBody } from "../../definition/schema.ts";
import type { EventTypeBody } from "../../event/event-type.ts";
import type { HookBody } from "../../hook/schema.ts";
import { RetryableError, TerminalError } from "../../kernel/errors.ts";
import type { DocumentStage, RowState, StoredRow, Write } from "../../sync/document-row.ts";
import type { SyncStore } from "../../sync/store.ts";
import { writeAudit } from "../access/audit.ts";
import { errorCode, guarded, inChunks, type Postgres, type Transaction } from "../client.ts";
import { bumpRevision, columnsOf, type DefinitionRow, recordChanges } from "../definition/definition-store.ts";
import { definitions, eventTypes, hooks } from "../definition-tables.ts";
import { type HookRow, recordHookChanges } from "../hook/hook-store.ts";
import { waitingForLock } from "../lock.ts";
import { createSyncHistory, hold, insertSync } from "./sync-history.ts";

type EventTypeRow = typeof eventTypes.$inferSelect;
type Row = DefinitionRow | EventTypeRow | HookRow;

/** A row as it was, and as it is. */
interface Change<Written extends Row> {
  action: string;
  before?: Written;
  after: Written;
}

const live = isNull(definitions.deleted_at);

export function createSyncStore(postgres: Postgres): SyncStore {
  const { db } = postgres;

  async function readDefinitions(condition: SQL): Promise<StoredRow[]> {
    const rows = await guarded(db.select().from(definitions).where(and(live, condition)).orderBy(asc(definitions.id)));
    return rows.map((row) => toStoredRow("definitions", row, row.body));
  }

  async function readEventTypes(condition: SQL): Promise<StoredRow[]> {
    const rows = await guarded(db.select().from(eventTypes).where(condition).orderBy(asc(eventTypes.id)));
    return rows.map((row) => toStoredRow("event_types", row, eventTypeBody(row)));
  }

  async function readHooks(condition: SQL): Promise<StoredRow[]> {
    const rows = await guarded(db.select().from(hooks).where(condition).orderBy(asc(hooks.id)));
    return rows.map((row) => toStoredRow("hooks", row, row.body));
  }

  return {
    ...createSyncHistory(db),
    async exclusively(body, signal) {
      await postgres.ping(); // a server that hangs is known by it in 2 s
      return waitingForLock(postgres, "sync", body, signal);
    },

    async listRows(stages, names) {
      const named = sql`${definitions.name} in (select json_array_elements_text(${JSON.stringify(names)}::json))`;
      const read: Record<DocumentStage, () => Promise<StoredRow[]>> = {
        definitions: () =>
          readDefinitions(sql`(${definitions.tree} is not null or ${definitions.source} like 'file:%' or ${named})`),
        event_types: () => readEventTypes(sql`true`),
        hooks: () => readHooks(sql`true`),
      };
      return (await Promise.all(stages.map((stage) => read[stage]()))).flat();
    },

    async findRows(ids) {
      const among = sql`(select json_array_elements_text(${JSON.stringify(ids)}::json)::uuid)`;
      const found = [
        readDefinitions(sql`${definitions.id} in ${among}`),
        readEventTypes(sql`${eventTypes.id} in ${among}`),
        readHooks(sql`${hooks.id} in ${among}`),
      ];
      return (await Promise.all(found)).flat();
    },

    async apply(writes, { actor, report, hold: trees = [] }) {
      try {
        await guarded(
          db.transaction(async (tx) => {
            await writeDefinitions(tx, actor, ofStage(writes, "definitions"));
            await writeEventTypes(tx, actor, ofStage(writes, "event_types"));
            await writeHooks(tx, actor, ofStage(writes, "hooks"));
            await insertSync(tx, report, writes);
            await hold(tx, trees, report);
          }),
        );
      } catch (error) {
        if (errorCode(error) !== "23505") throw error;
        const { detail = "" } = (error as { cause?: { detail?: string } }).cause ?? {};
        throw new TerminalError("name_taken", `a name that it needs is another's by now: ${detail}`, {
          hint: "rename or delete that one, and try again",
        });
      }
    },
  };
}

async function writeDefinitions(tx: Transaction, actor: string, writes: readonly Write[]): Promise<void> {
  if (writes.length === 0) return;
  const changes = await writeRows<DefinitionRow>(tx, definitions, writes, (after, retired_at, row) => ({
    ...columnsOf(after.body as DefinitionBody, row?.enabled_override ?? null, retired_at),
    tree: after.tree,
    tree_key: after.tree_key,
    deleted_at: after.deleted ? new Date() : null,
  }));
  await recordChanges(tx, actor, changes);
}

async function writeEventTypes(tx: Transaction, actor: string, writes: readonly Write[]): Promise<void> {
  if (writes.length === 0) return;
  const changes = await writeRows<EventTypeRow>(tx, eventTypes, writes, ({ body, tree, tree_key }, _, row) => {
    const { name, description, schema, enforce } = body as EventTypeBody;
    // An event type always has a tree: it is made by no other way.
    const place = { tree: tree ?? row?.tree ?? "", tree_key: tree_key ?? row?.tree_key ?? name };
    return { name, description: description ?? null, schema, enforce, ...place };
  });
  // Routers check payloads by what they read with the definitions (I4).
  await bumpRevision(tx);
  await writeAudit(tx, ...changes.map((change) => ({ actor, subject: `event_type:${change.after.id}`, ...change })));
}

async function writeHooks(tx: Transaction, actor: string, writes: readonly Write[]): Promise<void> {
  if (writes.length === 0) return;
  const changes = await writeRows<HookRow>(tx, hooks, writes, ({ body, tree, tree_key }) => {
    return { name: body.name, body: body as HookBody, tree, tree_key };
  });
  await recordHookChanges(tx, actor, changes);
}

/**
 * Updates the rows that are there, and inserts the others; `columnsOf` are those that a table has of its own.
 * @throws RetryableError `sync_conflict`
 */
async function writeRows<Written extends Row>(
  tx: Transaction,
  table: typeof definitions | typeof eventTypes | typeof hooks,
  writes: readonly Write[],
  columnsOf: (after: RowState, retired_at: Date | null, row?: Written) => object,
): Promise<Change<Written>[]> {
  const created = writes.filter(({ before }) => before === null);
  const updated = writes.filter(({ before }) => before !== null).toSorted((a, b) => rankOf(a) - rankOf(b));
  const ids = updated.map(({ id }) => id);
  const query = tx
    .select()
    .from(table as PgTable)
    .where(inArray(table.id, ids))
    .orderBy(asc(table.id));
  const rows = new Map((await query.for("update")).map((row) => [row.id, row as Written]));
  const planned = updated.map((write) => {
    const row = rows.get(write.id);
    if (row?.version === write.version) return { write, row };
    throw new RetryableError("sync_conflict", `${write.after.body.name} was changed while the sync was planned`);
  });
  // Two documents may swap their names: unique indexes are checked row by row.
  const renamed = planned.flatMap(({ write, row }) => (write.after.body.name === row.name ? [] : [row.id]));
  if (renamed.length > 0) await tx.update(table).set({ name: sql`id::text` }).where(inArray(table.id, renamed));

  const now = new Date();
  const changes: Change<Written>[] = [];
  for (const { write, row } of planned) {
    const { source, retired } = write.after;
    const retired_at = retired ? (row.retired_at ?? now) : null;
    const version = row.version + addedVersions(write);
    const set = { ...columnsOf(write.after, retired_at, row), source, version, retired_at, updated_at: now };
    const [after] = await tx.update(table).set(set).where(eq(table.id, row.id)).returning();
    changes.push({ action: write.action, before: row, after: after as Written });
  }
  await inChunks(created, async (chunk) => {
    const values = chunk.map(({ id, after }) => ({ id, version: 1, source: after.source, ...columnsOf(after, null) }));
    for (const after of await tx
      .insert(table as PgTable)
      .values(values)
      .returning())
      changes.push({ action: "create", after: after as Written });
  });
  return changes;
}

/**
 * First come the writes that free names: deletions, one of which may be of the name that another row gets back as it
 * retires, and then retirements.
 */
function rankOf({ after }: Write): number {
  if (after.deleted) return 0;
  return after.retired ? 1 : 2;
}

/** Where only the place of the document changed, the version stays; a deletion is a version, as over REST. */
function addedVersions({ before, after }: Write): 0 | 1 {
  if (after.deleted) return 1;
  return before?.retired === after.retired && Bun.deepEquals(before.body, after.body, true) ? 0 : 1;
}

function ofStage(writes: readonly Write[], stage: DocumentStage): Write[] {
  return writes.filter((write) => write.stage === stage);
}

function toStoredRow(stage: DocumentStage, row: Row, body: StoredRow["body"]): StoredRow {
  const { id, version, source, tree, tree_key, retired_at } = row;
  return { stage, id, version, body, source, tree, tree_key, retired: retired_at !== null };
}

function eventTypeBody({ name, description, schema, enforce }: EventTypeRow): EventTypeBody {
  return { name, ...(description !== null && { description }), schema, enforce };
}
