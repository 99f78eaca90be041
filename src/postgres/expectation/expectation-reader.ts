/** What a reader sees of expectations, as they are now. */
import { asc, eq, isNotNull, sql } from "drizzle-orm";
import type { WatchedActivity } from "../../expectation/expectation-watch.ts";
import { dueBy } from "../../expectation/judge-silence.ts";
import type { ExpectationReader, ExpectationView } from "../../explain/definition-view.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { expectations } from "../ledger-tables.ts";
import { factsStatement, toWatched, type WatchedRow } from "./expectation-ledger.ts";

export function createExpectationReader(db: Database): ExpectationReader {
  return {
    async read(activityIds) {
      if (activityIds.length === 0) return new Map();
      const ids = sql`(select json_array_elements_text(${JSON.stringify(activityIds)}::json)::uuid)`;
      const query = db.execute<WatchedRow>(sql`${factsStatement(new Date())} where e.definition_id in ${ids}`);
      const watched = (await guarded(query)).map(toWatched);
      return new Map(watched.map((activity) => [activity.activity_id, viewOf(activity)]));
    },

    async listOverdue(limit) {
      const { definition_id, overdue_since } = expectations;
      const query = db
        .select({ activity_name: definitions.name, overdue_since })
        .from(expectations)
        .innerJoin(definitions, eq(definitions.id, definition_id))
        .where(isNotNull(overdue_since))
        .orderBy(asc(overdue_since))
        .limit(limit);
      return (await guarded(query)).map((row) => ({
        ...row,
        overdue_since: (row.overdue_since as Date).toISOString(),
      }));
    },
  };
}

function viewOf(activity: WatchedActivity): ExpectationView {
  const { success_within, counts_from, last_success, overdue_since } = activity;
  return {
    success_within,
    counts_from: counts_from.toISOString(),
    last_success_at: last_success?.at.toISOString() ?? null,
    due_by: (overdue_since ?? dueBy(activity)).toISOString(),
    overdue_since: overdue_since?.toISOString() ?? null,
  };
}
