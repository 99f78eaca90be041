/**
 * Skipped due times of all activities, oldest first. A page reads so many stretches of each activity and so many runs, and
 * looks at so many due times: where one of these ends, the page ends, and the next one goes on.
 */
import { type SQL, sql } from "drizzle-orm";
import type { SkipReason } from "../../calendar/misfire.ts";
import {
  describeUnrun,
  isBefore,
  type SkippedDueTimeView,
  type SkippedPlace,
  type SkippedQuery,
  type SkippedReader,
  type SkippingActivity,
  type UnrunDueTime,
  unrunDueTimes,
} from "../../explain/skipped-due-times.ts";
import { segmentsOf } from "../../occurrence/definition-history.ts";
import { dueKey } from "../../occurrence/occurrence.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { dueSkips, occurrences, runs } from "../ledger-tables.ts";
import { type DueActivityRow, versionsSince } from "../schedule/due-ledger.ts";

/** Before and behind every activity of its time. */
const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";
/** So many stretches that begin before a page are looked at for one that still goes on there. */
const LOOK_BACK_STRETCHES = 50;
/** Of each activity so many stretches are read besides those that the rows of a page may need: they begin before it, or with it. */
const OPEN_STRETCHES = LOOK_BACK_STRETCHES + 20;
/** A page looks at so many times as many due times as it has rows: some of them ran after all. */
const LOOKED_AT_PER_ROW = 4;

interface SkippingRow
  extends Pick<DueActivityRow, "activity_id" | "activity_name" | "since" | "ended_at" | "versions"> {
  skips: { first_due: string; last_due: string; count: number; reason: SkipReason; into_run: string | null }[];
  [column: string]: unknown;
}

interface SkippedRunRow extends Record<string, unknown> {
  activity_id: string;
  activity_name: string;
  run_id: string;
  reason: string | null;
  scheduled_for: string;
  fired_at: string;
}

interface Row extends SkippedPlace {
  view: SkippedDueTimeView;
}

export function createSkippedReader(db: Database): SkippedReader {
  return {
    async listSkipped(query) {
      const { since, until, after, limit, reason } = query;
      const from = after?.at ?? since;
      const [activities, skippedRuns] = await Promise.all([readActivities(from), readRuns(from)]);
      let end = endOf([...activities, skippedRuns], until);

      async function readActivities(first: Date) {
        const rows = await guarded(db.execute<SkippingRow>(activitiesStatement(query, first)));
        return rows.map((row) => toActivity(row, until, limit));
      }
      async function readRuns(first: Date) {
        const rows = await guarded(db.execute<SkippedRunRow>(runsStatement(query, first)));
        const found = rows.map(toRow);
        return { rows: found, readUntil: found.length > limit ? found.at(-1) : undefined };
      }

      const isOnPage = (place: SkippedPlace) => after === undefined || isBefore(after, place);
      const candidates: UnrunDueTime[] = [];
      for (const due of unrunDueTimes(activities, from, reason)) {
        if (isBefore(end, due)) break;
        if (isOnPage(due)) candidates.push(due);
        if (candidates.length === limit * LOOKED_AT_PER_ROW) {
          end = due;
          break;
        }
      }
      const ran = await readRan(db, candidates);
      const rows = [
        ...candidates
          .filter((due) => !ran.has(keyOf(due)))
          .map((due): Row => ({ at: due.at, activity_id: due.activity_id, view: describeUnrun(due) })),
        ...skippedRuns.rows.filter((row) => isOnPage(row) && !isBefore(end, row)),
      ].sort((a, b) => (isBefore(a, b) ? -1 : 1));
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      const next = last !== undefined && page.length === limit ? last : end.at < until ? end : undefined;
      return {
        rows: page.map(({ view }) => view),
        ...(next !== undefined && { next: { at: next.at, activity_id: next.activity_id } }),
      };
    },
  };
}

/** Where what was read ends, if that is before `until`. */
function endOf(parts: readonly { readUntil: SkippedPlace | undefined }[], until: Date): SkippedPlace {
  const whole: SkippedPlace = { at: until, activity_id: LAST_ID };
  return parts.reduce((least, { readUntil }) => (readUntil && isBefore(readUntil, least) ? readUntil : least), whole);
}

function before(at: Date): SkippedPlace {
  return { at: new Date(at.getTime() - 1), activity_id: LAST_ID };
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

function toActivity(
  row: SkippingRow,
  until: Date,
  limit: number,
): SkippingActivity & { readUntil: SkippedPlace | undefined } {
  const { activity_id, activity_name, ended_at } = row;
  const ended = ended_at === null ? until : new Date(ended_at);
  const skips = row.skips.map(({ first_due, last_due, count, reason, into_run }) => ({
    firstDue: new Date(first_due),
    lastDue: new Date(last_due),
    count,
    reason,
    ...(into_run !== null && { into: into_run }),
  }));
  return {
    activity_id,
    activity_name,
    segments: segmentsOf(row, ended < until ? ended : until),
    skips,
    // Another stretch may begin when the last one does.
    readUntil: skips.length === limit + OPEN_STRETCHES ? before(skips.at(-1)?.firstDue as Date) : undefined,
  };
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

function toRow({ activity_id, activity_name, run_id, reason, scheduled_for, fired_at }: SkippedRunRow): Row {
  const at = new Date(scheduled_for);
  const delay_ms = Math.max(0, Date.parse(fired_at) - at.getTime());
  const due = {
    scheduled_for: dueKey(at),
    outcome: "skipped",
    reason,
    run_id,
    run_status: "skipped",
    delay_ms,
  } as const;
  return { at, activity_id, view: { activity_id, activity_name, ...due } };
}

/** Which of the due times have a run, whatever became of it. */
async function readRan(db: Database, due: readonly UnrunDueTime[]): Promise<Set<string>> {
  if (due.length === 0) return new Set();
  const asked = due.map(({ activity_id, at }) => ({ activity_id, key: dueKey(at) }));
  const rows = await guarded(
    db.execute<{ activity_id: string; key: string }>(sql`
      select o.activity_id, o.key from json_to_recordset(${JSON.stringify(asked)}::json) as a(activity_id uuid, key text)
        join ${occurrences} o on o.activity_id = a.activity_id and o.kind = 'due' and o.key = a.key`),
  );
  return new Set(rows.map(({ activity_id, key }) => `${activity_id} ${key}`));
}

function keyOf({ activity_id, at }: UnrunDueTime): string {
  return `${activity_id} ${dueKey(at)}`;
}
