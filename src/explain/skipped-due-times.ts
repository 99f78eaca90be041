/** What did not run, over all activities: the due times that were skipped, and why, in the order in which they were due. */
import { type Static, Type } from "@sinclair/typebox";
import { dueTimes } from "../calendar/due-times.ts";
import type { SkippedStretch } from "../calendar/misfire.ts";
import type { Segment } from "../occurrence/due-facts.ts";
import { dueKey } from "../occurrence/occurrence.ts";
import { DueTimeView } from "./due-time-views.ts";

export const SkippedDueTimeView = Type.Object(
  {
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    ...DueTimeView.properties,
  },
  { title: "SkippedDueTime" },
);
export type SkippedDueTimeView = Static<typeof SkippedDueTimeView>;

/** A place in the list: behind the due time of this activity. */
export interface SkippedPlace {
  at: Date;
  activity_id: string;
}

export interface SkippedQuery {
  activity_id?: string;
  reason?: string;
  /** The range of due times, both included. */
  since: Date;
  until: Date;
  after?: SkippedPlace;
  limit: number;
}

/** `next` is where the list goes on, also behind a page that is not full: a page looks at so many due times and no more. */
export interface SkippedDueTimes {
  rows: SkippedDueTimeView[];
  next?: SkippedPlace;
}

/** postgres/explain/skipped-reader.ts is behind it. */
export interface SkippedReader {
  listSkipped(query: SkippedQuery): Promise<SkippedDueTimes>;
}

/** What is known of an activity's due times in a range. */
export interface SkippingActivity {
  activity_id: string;
  activity_name: string;
  segments: readonly Segment[];
  /** In the order of their first due times. */
  skips: readonly SkippedStretch[];
  /** Whether these are all stretches of the range, and not only the first ones. */
  isWhole: boolean;
}

/** A due time that was skipped: its run was claimed and then skipped, or it has none. */
export interface SkippedDueTime extends SkippedPlace {
  activity_name: string;
  reason: string | null;
  /** Its own run, or the one that stands for it. */
  run_id: string | null;
  /** When its own run was claimed; undefined where it has none. */
  fired_at?: Date;
}

/** Due times of an activity that were skipped for one reason and have no run, from its `begin` on. */
interface Part {
  begin: number;
  dueTimes(): Generator<SkippedDueTime>;
}

/** Behind every activity of its time. */
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";
/** A page looks at so many times as many due times as it has rows: some of them ran after all. */
const LOOKED_AT_PER_ROW = 4;

/**
 * Begins a page: `candidates` are its due times, unless they have a run. Told which of them have one, `end` makes the page.
 * `skippedRuns` are in the order of the list, one more than the page has rows where there are so many.
 */
export function startPage(
  { since, until, after, limit, reason }: SkippedQuery,
  activities: readonly SkippingActivity[],
  skippedRuns: readonly SkippedDueTime[],
): { candidates: readonly SkippedDueTime[]; end(ran: readonly SkippedPlace[]): SkippedDueTimes } {
  const isOnPage = (place: SkippedPlace) => after === undefined || isBefore(after, place);
  let last = endOfRead(activities, skippedRuns.length > limit ? skippedRuns.at(-1) : undefined, until);
  const candidates: SkippedDueTime[] = [];
  for (const due of unrunDueTimes(activities, after?.at ?? since, reason)) {
    if (isBefore(last, due)) break;
    if (isOnPage(due)) candidates.push(due);
    if (candidates.length === limit * LOOKED_AT_PER_ROW) {
      last = due;
      break;
    }
  }
  return {
    candidates,
    end(ran) {
      const keys = new Set(ran.map(keyOf));
      const rows = [
        ...candidates.filter((due) => !keys.has(keyOf(due))),
        ...skippedRuns.filter((run) => isOnPage(run) && !isBefore(last, run)),
      ].sort((a, b) => (isBefore(a, b) ? -1 : 1));
      const page = rows.slice(0, limit);
      const lastRow = page.at(-1);
      const next = lastRow !== undefined && page.length === limit ? lastRow : last.at < until ? last : undefined;
      return {
        rows: page.map(describe),
        ...(next !== undefined && { next: { at: next.at, activity_id: next.activity_id } }),
      };
    },
  };
}

/** Where what was read ends, if that is before `until`. */
function endOfRead(
  activities: readonly SkippingActivity[],
  lastRun: SkippedPlace | undefined,
  until: Date,
): SkippedPlace {
  // Another stretch may begin when the last one that was read does.
  const ends = activities
    .filter(({ isWhole }) => !isWhole)
    .map(({ skips }) => ({ at: new Date((skips.at(-1)?.first_due ?? until).getTime() - 1), activity_id: LAST_ID }));
  if (lastRun !== undefined) ends.push(lastRun);
  return ends.reduce((least, end) => (isBefore(end, least) ? end : least), { at: until, activity_id: LAST_ID });
}

function keyOf({ activity_id, at }: SkippedPlace): string {
  return `${activity_id} ${dueKey(at)}`;
}

/** From `from` on, in order; computed as it is read. Only those of `reason`, where there is one. */
function* unrunDueTimes(
  activities: readonly SkippingActivity[],
  from: Date,
  reason?: string,
): Generator<SkippedDueTime> {
  const waiting = activities.flatMap((activity) => partsOf(activity, from, reason)).sort((a, b) => b.begin - a.begin);
  const open: { head: SkippedDueTime; rest: Generator<SkippedDueTime> }[] = [];
  function advance(rest: Generator<SkippedDueTime>): void {
    const { value, done } = rest.next();
    if (!done) open.push({ head: value, rest });
  }
  for (;;) {
    const first = open.reduce((least, { head }, index) => (isBefore(head, open[least]?.head) ? index : least), 0);
    // A part is begun when its first due time may be the next one.
    const next = waiting.at(-1);
    const head = open[first]?.head;
    if (next !== undefined && (head === undefined || next.begin <= head.at.getTime())) {
      waiting.pop();
      advance(next.dueTimes());
      continue;
    }
    if (head === undefined) return;
    const [{ rest }] = open.splice(first, 1) as [(typeof open)[number]];
    yield head;
    advance(rest);
  }
}

/** The order of the list: by due time, then by activity. */
function isBefore(a: SkippedPlace, b: SkippedPlace | undefined): boolean {
  if (b === undefined) return true;
  return a.at.getTime() === b.at.getTime() ? a.activity_id < b.activity_id : a.at < b.at;
}

function describe({ activity_id, activity_name, at, reason, run_id, fired_at }: SkippedDueTime): SkippedDueTimeView {
  return {
    activity_id,
    activity_name,
    scheduled_for: dueKey(at),
    outcome: "skipped",
    reason,
    run_id,
    run_status: fired_at ? "skipped" : null,
    delay_ms: fired_at ? Math.max(0, fired_at.getTime() - at.getTime()) : null,
  };
}

/** A version that was disabled is one stretch from its beginning to its end. */
function partsOf(activity: SkippingActivity, start: Date, wanted: string | undefined): Part[] {
  const { activity_id, activity_name, skips } = activity;
  return activity.segments.flatMap(({ from, until, calendar, enabled }) => {
    if (calendar === undefined) return [];
    const stretches: readonly Omit<SkippedStretch, "count">[] = enabled
      ? skips
      : [{ first_due: from, last_due: until, reason: "disabled" }];
    return stretches.flatMap((stretch): Part[] => {
      const { first_due, last_due, reason, into_run = null } = stretch;
      const after = Math.max(from.getTime(), first_due.getTime() - 1, start.getTime() - 1);
      const end = Math.min(until.getTime(), last_due.getTime());
      if (after >= end || (wanted !== undefined && reason !== wanted)) return [];
      // A stretch may lie over due times of another one that begins later.
      const isOf = (at: Date) =>
        stretches.findLast((other) => other.first_due <= at && at <= other.last_due) === stretch;
      return [
        {
          begin: after + 1,
          *dueTimes() {
            for (const { at } of dueTimes(calendar, new Date(after), new Date(end)))
              if (isOf(at)) yield { activity_id, activity_name, at, reason, run_id: into_run };
          },
        },
      ];
    });
  });
}
