/**
 * Reads what a page of skipped due times is made of: of each activity so many stretches, and so many runs. Where they end,
 * the page ends (explain/skipped-due-times.ts).
 */
import { type SQL, sql } from "drizzle-orm";
import type { SkippedStretch } from "../../calendar/misfire.ts";
import {
  type SkippedDueTime,
  type SkippedPlace,
  type SkippedQuery,
  type SkippedReader,
  type SkippingActivity,
  startPage,
} from "../../explain/skipped-due-times.ts";
import { segmentsOf } from "../../occurrence/definition-history.ts";
import { dueKey } from "../../occurrence/occurrence.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { dueSkips, occurrences, runs } from "../ledger-tables.ts";
import { type DueActivityRow, versionsSince } from "../schedule/due-ledger.ts";

/** Before every activity of its time. */
const FIRST_ID = "00000000-0000-0000-0000-000000000000";
/** So many stretches that begin before a page are looked at for one that still goes on there. */
const LOOK_BACK_STRETCHES = 50;
/** Of each activity so many stretches are read besides those that the rows of a page may need: they begin before it, or with it. */
const OPEN_STRETCHES = LOOK_BACK_STRETCHES + 20;

type SkippingRow = Pick<DueActivityRow, "activity_id" | "activity_name" | "since" | "ended_at" | "versions"> & {
  skips: (Omit<SkippedStretch, "first_due" | "last_due"> & { first_due: string; last_due: string })[];
};

type SkippedRunRow = Omit<SkippedDueTime, "at" | "fired_at"> & { scheduled_for: string; fired_at: string };

export function createSkippedReader(db: Database): SkippedReader {
  return {
    async listSkipped(query) {
      const from = query.after?.at ?? query.since;
      const [activities, runs] = await Promise.all([
        guarded(db.execute<SkippingRow>(activitiesStatement(query, from))),
        guarded(db.execute<SkippedRunRow>(runsStatement(query, from))),
      ]);
      const page = startPage(
        query,
        activities.map((row) => toActivity(row, query)),
        runs.map(toSkippedRun),
      );
      return page.end(await readRan(db, page.candidates));
    },
  };
}

/** Those with a version that was disabled, or with stretches, in the range. */
function activitiesStatement({ activity_id, until, limit }: SkippedQuery, from: Date): SQL {
  const since = sql`${from.toISOString()}::timestamptz`;
  return sql`
    select d.id as activity_id, d.name as activity_name, d.deleted_at as ended_at, v.versions, s.skips,
      greatest(d.created_at, ${new Date(from.getTime() - 1).toISOString()}::timestamptz) as since
    from ${definitions} d
      cross join lateral (${versionsSince(sql`d.id`, since)}) v
      cross join lateral (
        select coalesce(json_agg(s order by s.first_due), '[]') as skips from (
          select first_due, last_due, count, reason, into_run from ${dueSkips}
          where activity_id = d.id and last_due >= ${since} and first_due <= ${until.toISOString()}::timestamptz
            and first_due >= coalesce((select first_due from ${dueSkips} where activity_id = d.id and first_due < ${since}
              order by first_due desc offset ${LOOK_BACK_STRETCHES} limit 1), '-infinity')
          order by first_due limit ${limit + OPEN_STRETCHES}
        ) s
      ) s
    where ${activity_id === undefined ? sql`true` : sql`d.id = ${activity_id}`}
      and (d.trigger_type <> 'event' or d.updated_at >= ${since}) and (d.deleted_at is null or d.deleted_at >= ${since})
      and (json_array_length(s.skips) > 0
        or exists (select from json_array_elements(v.versions) x where not (x->>'enabled')::boolean))`;
}

function toActivity(row: SkippingRow, { until, limit }: SkippedQuery): SkippingActivity {
  const { activity_id, activity_name, ended_at } = row;
  const ended = ended_at === null ? until : new Date(ended_at);
  const skips = row.skips.map(({ first_due, last_due, ...stretch }) => {
    return { ...stretch, first_due: new Date(first_due), last_due: new Date(last_due) };
  });
  const isWhole = skips.length < limit + OPEN_STRETCHES;
  return { activity_id, activity_name, segments: segmentsOf(row, ended < until ? ended : until), skips, isWhole };
}

/** What was claimed and then skipped: its run says why. */
function runsStatement({ activity_id, reason, until, after, limit }: SkippedQuery, from: Date): SQL {
  const first = sql`(${from.toISOString()}::timestamptz, ${after?.activity_id ?? FIRST_ID}::uuid)`;
  return sql`
    select r.activity_id, r.activity_name, r.run_id, r.reason, r.scheduled_for, r.fired_at from ${runs} r
    where r.status = 'skipped' and r.trigger in ('cron', 'interval', 'scheduled') and (r.scheduled_for, r.activity_id) > ${first}
      and r.scheduled_for <= ${until.toISOString()}::timestamptz
      and ${activity_id === undefined ? sql`true` : sql`r.activity_id = ${activity_id}`}
      and ${reason === undefined ? sql`true` : sql`r.reason = ${reason}`}
    order by r.scheduled_for, r.activity_id limit ${limit + 1}`;
}

function toSkippedRun({ scheduled_for, fired_at, ...run }: SkippedRunRow): SkippedDueTime {
  return { ...run, at: new Date(scheduled_for), fired_at: new Date(fired_at) };
}

/** Which of the due times have a run, whatever became of it. */
async function readRan(db: Database, due: readonly SkippedPlace[]): Promise<SkippedPlace[]> {
  if (due.length === 0) return [];
  const asked = due.map(({ activity_id, at }) => ({ activity_id, key: dueKey(at) }));
  const rows = await guarded(
    db.execute<{ activity_id: string; key: string }>(sql`
      select o.activity_id, o.key from json_to_recordset(${JSON.stringify(asked)}::json) as a(activity_id uuid, key text)
        join ${occurrences} o on o.activity_id = a.activity_id and o.kind = 'due' and o.key = a.key`),
  );
  return rows.map(({ activity_id, key }) => ({ activity_id, at: new Date(key) }));
}
