/** Which definitions' schedules are behind their row, and the lock under which one process at a time brings them up. */
import { and, eq, isNull, ne, notInArray, or, sql } from "drizzle-orm";
import type { ProjectionStore } from "../trigger/projector.ts";
import { guarded, type Postgres } from "./client.ts";
import { DEFINITIONS_CHANNEL, toDefinition } from "./definitions.ts";
import { holdingLock, LOCKS } from "./lock.ts";
import { definitions, scheduleProjections } from "./schema.ts";

export function createProjectionStore(postgres: Postgres): ProjectionStore {
  const { db, sql: client } = postgres;
  return {
    async listStale(limit, except = []) {
      const rows = await guarded(
        db
          .select({ definition: definitions, plan_hash: scheduleProjections.plan_hash })
          .from(definitions)
          .leftJoin(scheduleProjections, eq(scheduleProjections.definition_id, definitions.id))
          .where(
            and(
              except.length === 0 ? undefined : notInArray(definitions.id, [...except]),
              or(isNull(scheduleProjections.version), ne(scheduleProjections.version, definitions.version)),
            ),
          )
          .orderBy(definitions.updated_at)
          .limit(limit),
      );
      return rows.map(({ definition, plan_hash }) => ({
        definition: toDefinition(definition),
        deleted: definition.deleted_at !== null,
        plan_hash,
      }));
    },

    async markProjected({ id, version }, plan_hash) {
      const set = { version, plan_hash, updated_at: sql`now()` };
      await guarded(
        db
          .insert(scheduleProjections)
          .values({ definition_id: id, version, plan_hash })
          .onConflictDoUpdate({ target: scheduleProjections.definition_id, set }),
      );
    },

    exclusively: (body) => holdingLock(postgres, LOCKS.schedules, body),

    async onChange(listener) {
      const { unlisten } = await guarded(client.listen(DEFINITIONS_CHANNEL, listener));
      return unlisten;
    },
  };
}
