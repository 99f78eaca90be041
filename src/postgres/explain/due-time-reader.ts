/** Due times for their reader: what a definition said in a range, what ran of it, and what was skipped. */
import { and, between, eq, gte, lte, sql } from "drizzle-orm";
import { type DueTimeReader, endOfPage } from "../../explain/due-time-views.ts";
import { segmentsOf } from "../../occurrence/definition-history.ts";
import { dueKey } from "../../occurrence/occurrence.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { dueProgress, dueSkips, occurrences, runs } from "../ledger-tables.ts";
import { type DueActivityRow, versionsSince } from "../schedule/due-ledger.ts";

type ReadActivityRow = Pick<DueActivityRow, "since" | "ended_at" | "versions"> & { settled_until: string };

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
      const { run_id, status, reason, fired_at: firedAt } = runs;
      const { activity_id, kind, key } = occurrences;
      const query = db.select({ key, run_id, status, reason, firedAt }).from(occurrences);
      const ofRange = and(eq(activity_id, activityId), eq(kind, "due"), between(key, dueKey(from), dueKey(to)));
      const found = query.innerJoin(runs, eq(run_id, occurrences.run_id)).where(ofRange);
      const isInRange = and(lte(dueSkips.first_due, end), gte(dueSkips.last_due, from));
      const stretches = db
        .select()
        .from(dueSkips)
        .where(and(eq(dueSkips.activity_id, activityId), isInRange));
      const [rows, skips] = await Promise.all([
        guarded(found.orderBy(key).limit(limit)),
        guarded(stretches.orderBy(dueSkips.first_due)),
      ]);
      return {
        segments,
        runs: rows.map(({ key, ...run }) => ({ ...run, due: new Date(key) })),
        skips,
        settledUntil: new Date(activity.settled_until),
      };
    },
  };
}
