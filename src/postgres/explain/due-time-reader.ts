/** Due times for their reader: what a definition said in a range, what ran of it, and what was skipped. */
import { and, eq, gte, lte, sql } from "drizzle-orm";
import type { SkipReason } from "../../calendar/misfire.ts";
import { type DueTimeReader, endOfPage } from "../../explain/due-time-views.ts";
import { segmentsOf } from "../../occurrence/definition-history.ts";
import { dueKey } from "../../occurrence/occurrence.ts";
import type { RunStatus } from "../../run/run.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { dueProgress, dueSkips, occurrences, runs } from "../ledger-tables.ts";
import { type DueActivityRow, versionsSince } from "../schedule/due-ledger.ts";

type ReadActivityRow = Pick<DueActivityRow, "since" | "ended_at" | "versions"> & { settled_until: string };

interface ReadRunRow extends Record<string, unknown> {
  key: string;
  run_id: string;
  status: RunStatus;
  reason: string | null;
  fired_at: string;
}

export function createDueTimeReader(db: Database): DueTimeReader {
  return {
    async readDueTimes(activityId, from, to, limit) {
      const [activity] = await guarded(
        db.execute<ReadActivityRow>(sql`
          select greatest(d.created_at, ${new Date(from.getTime() - 1).toISOString()}::timestamptz) as since,
            d.deleted_at as ended_at, coalesce(v.versions, '[]') as versions, (
              select coalesce(max(settled_until), d.created_at) from ${dueProgress} where definition_id = d.id
            ) as settled_until
          from ${definitions} d cross join lateral (${versionsSince(sql`d.id`, sql`${from.toISOString()}::timestamptz`)}) v
          where d.id = ${activityId}`),
      );
      if (activity === undefined) return undefined;
      const until = Math.min(to.getTime(), Date.parse(activity.ended_at ?? to.toISOString()));
      const segments = segmentsOf(activity, new Date(until));
      const end = endOfPage(segments, to, limit);
      const [rows, skips] = await Promise.all([
        guarded(
          db.execute<ReadRunRow>(sql`
            select o.key, r.run_id, r.status, r.reason, r.fired_at from ${occurrences} o join ${runs} r using (run_id)
            where o.activity_id = ${activityId} and o.kind = 'due' and o.key between ${dueKey(from)} and ${dueKey(to)}
            order by o.key limit ${limit}`),
        ),
        guarded(
          db
            .select()
            .from(dueSkips)
            .where(
              and(eq(dueSkips.activity_id, activityId), lte(dueSkips.first_due, end), gte(dueSkips.last_due, from)),
            )
            .orderBy(dueSkips.first_due),
        ),
      ]);
      return {
        segments,
        runs: rows.map(({ key, fired_at, ...run }) => ({ ...run, due: new Date(key), firedAt: new Date(fired_at) })),
        skips: skips.map(({ first_due, last_due, count, reason, into_run }) => ({
          firstDue: first_due,
          lastDue: last_due,
          count,
          reason: reason as SkipReason,
          ...(into_run !== null && { into: into_run }),
        })),
        settledUntil: new Date(activity.settled_until),
      };
    },
  };
}
