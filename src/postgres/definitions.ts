/** Definitions in Postgres. Every change writes the row, its version and the revision (I4) in one transaction. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import type { Definition, DefinitionBody } from "../definition/schema.ts";
import type { DefinitionStore } from "../definition/store.ts";
import { TerminalError } from "../errors.ts";
import { type Database, errorCode, guarded } from "./client.ts";
import { definitionRevision, definitions, definitionVersions } from "./schema.ts";

/** Raised on every change, so that the schedule projector need not wait for its next poll. */
export const DEFINITIONS_CHANNEL = "actcore_definitions";

type Row = typeof definitions.$inferSelect;
type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

export function createDefinitionStore(db: Database): DefinitionStore {
  const live = isNull(definitions.deleted_at);
  const findWhere = async (condition: Parameters<typeof and>[0]) => {
    const [row] = await guarded(db.select().from(definitions).where(and(condition, live)));
    return row && toDefinition(row);
  };

  return {
    async create(body, source) {
      const row = { id: crypto.randomUUID(), version: 1, source, ...columnsOf(body) };
      return change(db, body.name, (tx) => tx.insert(definitions).values(row).returning());
    },
    async replace(id, body) {
      return change(db, body.name, (tx) =>
        tx
          .update(definitions)
          .set({ ...columnsOf(body), version: sql`${definitions.version} + 1`, updated_at: sql`now()` })
          .where(and(eq(definitions.id, id), live))
          .returning(),
      );
    },
    find: (id) => findWhere(eq(definitions.id, id)),
    findByName: (name) => findWhere(eq(definitions.name, name)),
    async list({ limit, after }) {
      const rows = await guarded(
        db
          .select()
          .from(definitions)
          .where(and(live, after === undefined ? undefined : gt(definitions.name, after)))
          .orderBy(asc(definitions.name))
          .limit(limit),
      );
      return rows.map(toDefinition);
    },
  };
}

/** One change of one row, with all that goes with it. */
async function change(db: Database, name: string, write: (tx: Transaction) => Promise<Row[]>): Promise<Definition> {
  try {
    return await guarded(
      db.transaction(async (tx) => {
        const [row] = await write(tx);
        if (row === undefined) throw new TerminalError("definition_not_found", "the definition is not there any more");
        await tx.insert(definitionVersions).values({ definition_id: row.id, version: row.version, body: row.body });
        await tx.update(definitionRevision).set({ revision: sql`${definitionRevision.revision} + 1` });
        await tx.execute(sql`select pg_notify(${DEFINITIONS_CHANNEL}, ${row.id})`);
        return toDefinition(row);
      }),
    );
  } catch (error) {
    if (errorCode(error) !== "23505") throw error;
    throw new TerminalError("name_taken", `there is a definition named ${JSON.stringify(name)} already`, {
      cause: error,
    });
  }
}

function columnsOf(body: DefinitionBody) {
  return { name: body.name, enabled: body.enabled, trigger_type: body.trigger_type, body };
}

export function toDefinition(row: Row): Definition {
  return {
    id: row.id,
    ...row.body,
    version: row.version,
    source: row.source,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
