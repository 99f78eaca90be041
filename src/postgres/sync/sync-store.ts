/** A sync's rows in Postgres: read in bulk, written in one transaction. */
import { and, asc, inArray, isNull, type SQL, sql } from "drizzle-orm";
import type { DefinitionBody } from "../../definition/schema.ts";
import type { EventTypeBody } from "../../event/event-type.ts";
import { RetryableError, TerminalError } from "../../kernel/errors.ts";
import type { DocumentStage, StoredRow, Write } from "../../sync/document-row.ts";
import type { SyncStore } from "../../sync/store.ts";
import { type Transaction, writeAudit } from "../access/audit.ts";
import { errorCode, guarded, inChunks, type Postgres } from "../client.ts";
import {
  bumpRevision,
  columnsOf,
  type DefinitionRow,
  type RecordedChange,
  recordChanges,
} from "../definition/definition-store.ts";
import { definitions, eventTypes } from "../definition-tables.ts";
import { waitingForLock } from "../lock.ts";
import { createSyncHistory, hold, insertSync } from "./sync-history.ts";

type EventTypeRow = typeof eventTypes.$inferSelect;
/** A write of a row that is there, and the row. */
interface Planned<Row> {
  write: Write;
  row: Row;
}

const live = isNull(definitions.deleted_at);

export function createSyncStore(postgres: Postgres): SyncStore {
  const { db } = postgres;

  async function readDefinitions(condition: SQL): Promise<StoredRow[]> {
    const rows = await guarded(db.select().from(definitions).where(and(live, condition)).orderBy(asc(definitions.id)));
    return rows.map(({ id, version, body, source, tree, tree_key, retired_at }) => {
      return { stage: "definitions", id, version, body, source, tree, tree_key, retired: retired_at !== null };
    });
  }

  async function readEventTypes(condition: SQL): Promise<StoredRow[]> {
    const rows = await guarded(db.select().from(eventTypes).where(condition).orderBy(asc(eventTypes.id)));
    return rows.map((row) => {
      const { id, version, source, tree, tree_key, retired_at } = row;
      return {
        stage: "event_types",
        id,
        version,
        body: eventTypeBody(row),
        source,
        tree,
        tree_key,
        retired: retired_at !== null,
      };
    });
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
      };
      return (await Promise.all(stages.map((stage) => read[stage]()))).flat();
    },

    async findRows(ids) {
      const among = sql`(select json_array_elements_text(${JSON.stringify(ids)}::json)::uuid)`;
      const found = [
        readDefinitions(sql`${definitions.id} in ${among}`),
        readEventTypes(sql`${eventTypes.id} in ${among}`),
      ];
      return (await Promise.all(found)).flat();
    },

    async apply(writes, { actor, report, hold: trees = [] }) {
      try {
        await guarded(
          db.transaction(async (tx) => {
            await writeDefinitions(tx, actor, ofStage(writes, "definitions"));
            await writeEventTypes(tx, actor, ofStage(writes, "event_types"));
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
  const ids = writes.flatMap(({ id, before }) => (before === null ? [] : [id]));
  const query = tx
    .select()
    .from(definitions)
    .where(and(live, inArray(definitions.id, ids)))
    .orderBy(asc(definitions.id));
  const planned = pair(writes, ids.length === 0 ? [] : await query.for("update"));
  await freeNames(tx, definitions, planned);

  const now = new Date();
  const changes: RecordedChange[] = [];
  for (const { write, row } of planned) {
    const { body, source, tree, tree_key, retired, deleted } = write.after;
    const retired_at = retired ? (row.retired_at ?? now) : null;
    const set = {
      ...columnsOf(body as DefinitionBody, row.enabled_override, retired_at),
      ...{ source, tree, tree_key, retired_at, updated_at: now, deleted_at: deleted ? now : null },
      version: row.version + addedVersions(write),
    };
    const [after] = await tx.update(definitions).set(set).where(sql`${definitions.id} = ${row.id}`).returning();
    changes.push({ action: write.action, before: row, after: after as DefinitionRow });
  }
  const created = writes.filter(({ before }) => before === null);
  await inChunks(created, async (chunk) => {
    const rows = chunk.map(({ id, after: { body, source, tree, tree_key } }) => {
      return { id, version: 1, source, tree, tree_key, ...columnsOf(body as DefinitionBody, null, null) };
    });
    for (const after of await tx.insert(definitions).values(rows).returning())
      changes.push({ action: "create", after });
  });
  await recordChanges(tx, actor, changes);
}

async function writeEventTypes(tx: Transaction, actor: string, writes: readonly Write[]): Promise<void> {
  if (writes.length === 0) return;
  const ids = writes.flatMap(({ id, before }) => (before === null ? [] : [id]));
  const query = tx.select().from(eventTypes).where(inArray(eventTypes.id, ids)).orderBy(asc(eventTypes.id));
  const planned = pair(writes, ids.length === 0 ? [] : await query.for("update"));
  await freeNames(tx, eventTypes, planned);

  const now = new Date();
  const changes: { action: string; before?: EventTypeRow; after: EventTypeRow }[] = [];
  for (const { write, row } of planned) {
    const { source, tree, tree_key, retired } = write.after;
    const retired_at = retired ? (row.retired_at ?? now) : null;
    const set = {
      ...eventTypeColumns(write.after.body as EventTypeBody),
      ...{ source, retired_at, updated_at: now, version: row.version + addedVersions(write) },
      // An event type always has a tree: it is made by no other way.
      ...{ tree: tree ?? row.tree, tree_key: tree_key ?? row.tree_key },
    };
    const [after] = await tx.update(eventTypes).set(set).where(sql`${eventTypes.id} = ${row.id}`).returning();
    changes.push({ action: write.action, before: row, after: after as EventTypeRow });
  }
  const created = writes.filter(({ before }) => before === null);
  await inChunks(created, async (chunk) => {
    const rows = chunk.map(({ id, after: { body, source, tree, tree_key } }) => {
      const columns = eventTypeColumns(body as EventTypeBody);
      return { id, version: 1, source, tree: tree ?? "", tree_key: tree_key ?? columns.name, ...columns };
    });
    for (const after of await tx.insert(eventTypes).values(rows).returning()) changes.push({ action: "create", after });
  });
  // Routers check payloads by what they read with the definitions (I4).
  await bumpRevision(tx);
  await writeAudit(tx, ...changes.map((change) => ({ actor, subject: `event_type:${change.after.id}`, ...change })));
}

/**
 * The writes of rows that are there, first those that free names: deletions, one of which may be of the name that
 * another row gets back as it retires, and retirements. @throws RetryableError `sync_conflict`
 */
function pair<Row extends { id: string; version: number }>(
  writes: readonly Write[],
  rows: readonly Row[],
): Planned<Row>[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return writes
    .filter(({ before }) => before !== null)
    .toSorted((a, b) => rankOf(a) - rankOf(b))
    .map((write) => {
      const row = byId.get(write.id);
      if (row?.version === write.version) return { write, row };
      throw new RetryableError("sync_conflict", `${write.after.body.name} was changed while the sync was planned`);
    });
}

function rankOf({ after }: Write): number {
  if (after.deleted) return 0;
  return after.retired ? 1 : 2;
}

/** Two documents may swap their names: unique indexes are checked row by row. */
async function freeNames<Row extends { id: string; name: string }>(
  tx: Transaction,
  table: typeof definitions | typeof eventTypes,
  planned: readonly Planned<Row>[],
): Promise<void> {
  const ids = planned.flatMap(({ write, row }) => (write.after.body.name === row.name ? [] : [row.id]));
  if (ids.length > 0) await tx.update(table).set({ name: sql`id::text` }).where(inArray(table.id, ids));
}

/** Where only the place of the document changed, the version stays; a deletion is a version, as over REST. */
function addedVersions({ before, after }: Write): 0 | 1 {
  if (after.deleted) return 1;
  return before?.retired === after.retired && Bun.deepEquals(before.body, after.body, true) ? 0 : 1;
}

function ofStage(writes: readonly Write[], stage: DocumentStage): Write[] {
  return writes.filter((write) => write.stage === stage);
}

function eventTypeColumns({ name, description, schema, enforce }: EventTypeBody) {
  return { name, description: description ?? null, schema, enforce };
}

function eventTypeBody({ name, description, schema, enforce }: EventTypeRow): EventTypeBody {
  return { name, ...(description !== null && { description }), schema, enforce };
}
