/** What the engine was told of each definition. */
import { and, asc, eq, inArray, isNotNull, isNull, ne, not, notInArray, or, sql } from "drizzle-orm";
import type { TriggerType } from "../../definition/schema.ts";
import { TOLD_NOTHING, type ToldSchedule } from "../../schedule/drift.ts";
import type { Projection, ProjectionStore } from "../../schedule/projector.ts";
import { guarded, type Postgres } from "../client.ts";
import { DEFINITIONS_CHANNEL, toDefinition } from "../definition/definition-store.ts";
import { definitions, scheduleProjections } from "../definition-tables.ts";
import { dueProgress } from "../ledger-tables.ts";
import { waitingForLock } from "../lock.ts";

const EVENT: TriggerType = "event";

const told = scheduleProjections;
const { version, plan_hash, paused, engine_hash } = told;
/** A one-shot, or another trigger with an end, that is accounted for, and did not change since. */
const isDone = sql`coalesce(${dueProgress.done_at} >= ${definitions.updated_at}, false)`;
/** The engine was not told of the definition's version, or has the schedule of one that is done. */
const isStale = or(isNull(told.version), ne(told.version, definitions.version), and(isDone, isNotNull(told.plan_hash)));

export function createProjectionStore(postgres: Postgres): ProjectionStore {
  const { db, sql: client } = postgres;

  function select() {
    return db
      .select({
        definition: definitions,
        told: { version, plan_hash, paused, engine_hash },
        done_at: dueProgress.done_at,
      })
      .from(definitions)
      .leftJoin(told, eq(told.definition_id, definitions.id))
      .leftJoin(dueProgress, eq(dueProgress.definition_id, definitions.id));
  }

  return {
    async listStale(limit, except = []) {
      const others = except.length === 0 ? undefined : notInArray(definitions.id, [...except]);
      const query = select().where(and(others, isStale)).orderBy(definitions.updated_at).limit(limit);
      return (await guarded(query)).map(toProjection);
    },

    async listAll(ids) {
      const scheduled = and(isNull(definitions.deleted_at), ne(definitions.trigger_type, EVENT), not(isDone));
      const named = inArray(
        sql`${definitions.id}::text`,
        sql`(select json_array_elements_text(${JSON.stringify(ids)}::json))`,
      );
      const query = select()
        .where(or(scheduled, isNotNull(told.plan_hash), named))
        .orderBy(asc(definitions.id));
      return (await guarded(query)).map(toProjection);
    },

    async markProjected(definition_id, { version, plan_hash, paused, engine_hash }) {
      const set = { version: version ?? 0, plan_hash, paused, engine_hash, updated_at: sql`now()` };
      await guarded(
        db
          .insert(told)
          .values({ definition_id, ...set })
          .onConflictDoUpdate({ target: told.definition_id, set }),
      );
    },

    inTurn: (body, signal) => waitingForLock(postgres, "schedules", body, signal),

    async onChange(listener) {
      const { unlisten } = await guarded(client.listen(DEFINITIONS_CHANNEL, listener));
      return unlisten;
    },
  };
}

interface Row extends Pick<Projection, "done_at"> {
  definition: typeof definitions.$inferSelect;
  told: ToldSchedule | null;
}

function toProjection({ definition, told, done_at }: Row): Projection {
  const deleted = definition.deleted_at !== null;
  return { definition: toDefinition(definition), deleted, done_at, told: told ?? TOLD_NOTHING };
}
