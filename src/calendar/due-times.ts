/**
 * When a calendar is due (docs/schedules.md). Pure: preview, reconciler, backfill and claim all ask here, and a
 * property test holds it against what the engine makes of the plan.
 *
 * On a day when the clock changes, a cron is due as cronie runs it (src/cron.c). A wildcard job, whose minute or hour
 * field begins with `*`, runs by the clock. Of any other, what a gap removes is due at the gap's end, and a repeated hour
 * counts once, its first pass.
 */
import type { Calendar, CronCalendar, IntervalCalendar } from "./calendar.ts";
import type { CronFields } from "./cron-fields.ts";
import type { ClockChange, TimeZone } from "./time-zone.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, startOfDay, wallTimes } from "./wall-times.ts";

export interface DueTime {
  at: Date;
  /** It is not to run: its wall time does not exist, and the trigger says `dst_gap: skip`; or its date is among `except`. */
  skipped?: "dst_gap" | "excepted";
}

/**
 * How far the clock may jump from one minute's look at it to the next. cronie takes a larger jump for a clock that was
 * set: what it removes is not made up for, what it repeats runs again. Antarctica/Casey has had one, of three hours.
 */
const LONGEST_JUMP_MS = 3 * HOUR_MS;
/** Nothing that `parseCron` accepts is rarer than a leap day on one weekday. */
const SEARCH_MS = 100 * 366 * DAY_MS;

/** Ascending, `after < at <= until`, without doubles; computed as it is read. */
export function* dueTimes(calendar: Calendar, after: Date, until: Date): Generator<DueTime> {
  if (calendar.trigger_type === "scheduled") {
    if (calendar.at !== undefined && calendar.at > after && calendar.at <= until) yield { at: calendar.at };
    return;
  }
  const from = Math.max(after.getTime() + 1, calendar.startsAt);
  const to = Math.min(until.getTime(), calendar.endsAt);
  const found =
    calendar.trigger_type === "interval"
      ? intervalDueTimes(calendar, from, to)
      : merge(calendar.crons.map((fields) => cronDueTimes(fields, calendar, from, to)));
  const { except, zone } = calendar;
  if (except.size === 0) return yield* found;
  for (const due of found) {
    const date = startOfDay(due.at.getTime() + zone.offsetAt(due.at.getTime()));
    yield except.has(date) ? { at: due.at, skipped: "excepted" } : due;
  }
}

/** Those of `dueTimes` that are to run. */
export function timesToRun(calendar: Calendar, after: Date, until: Date): IteratorObject<Date> {
  return dueTimes(calendar, after, until)
    .filter(({ skipped }) => skipped === undefined)
    .map(({ at }) => at);
}

/** The first `count` that are to run; fewer where there are no more within a hundred years. */
export function nextTimesToRun(calendar: Calendar, after: Date, count: number): Date[] {
  return timesToRun(calendar, after, new Date(after.getTime() + SEARCH_MS))
    .take(count)
    .toArray();
}

/**
 * For a cron that is no wildcard job, an instant of a repeated hour's second pass → the same wall time in the first; else `at`.
 * Of several, one may be a wildcard job, and due in the second pass.
 */
export function firstPass(calendar: Calendar, at: Date): Date {
  if (calendar.trigger_type !== "cron" || calendar.crons.every(({ wildcard }) => wildcard)) return at;
  const repeat = repeatAt(calendar.zone, at.getTime());
  if (repeat === undefined) return at;
  const isDue = !dueTimes(calendar, new Date(at.getTime() - 1), at).next().done;
  return isDue ? at : new Date(at.getTime() - lengthOf(repeat));
}

/**
 * The ends of clock gaps, `from < at <= until`, at which a cron is due although its fields do not match then: the
 * engine has to be told of them by date.
 */
export function gapRuns({ crons, zone, dst_gap }: CronCalendar, from: Date, until: Date): Date[] {
  if (dst_gap === "skip") return [];
  return zone
    .changes(from.getTime(), until.getTime())
    .filter((change) => crons.some((fields) => !fields.wildcard && isDueAfterGap(fields, change)))
    .map(({ at }) => new Date(at));
}

/** In order and without doubles. What one of them runs is run, although another skips it. */
function* merge(lists: readonly Generator<DueTime>[]): Generator<DueTime> {
  const [only, ...others] = lists;
  if (only !== undefined && others.length === 0) return yield* only;
  const next = lists.map((list) => list.next());
  for (;;) {
    const first = Math.min(...next.map(({ done, value }) => (done ? Number.POSITIVE_INFINITY : value.at.getTime())));
    if (first === Number.POSITIVE_INFINITY) return;
    let due: DueTime | undefined;
    for (const [index, { done, value }] of next.entries()) {
      if (done || value.at.getTime() !== first) continue;
      if (due === undefined || due.skipped) due = value;
      next[index] = (lists[index] as Generator<DueTime>).next();
    }
    yield due as DueTime;
  }
}

/** From `start` to `until`, both included, in pieces of one offset that end with a UTC year at the latest. */
function* cronDueTimes(
  fields: CronFields,
  { zone, dst_gap }: CronCalendar,
  start: number,
  until: number,
): Generator<DueTime> {
  for (let from = start; from <= until; ) {
    const newYear = Date.UTC(new Date(from).getUTCFullYear() + 1, 0, 1);
    const next = Math.min(until + 1, newYear, zone.changes(from, Math.min(until, newYear))[0]?.at ?? newYear);
    let first = from;
    if (!fields.wildcard) {
      const [opening] = zone.changes(from - 1, from);
      if (opening !== undefined && isDueAfterGap(fields, opening))
        yield { at: new Date(from), ...(dst_gap === "skip" && { skipped: "dst_gap" }) };
      const repeat = repeatAt(zone, from);
      if (repeat !== undefined) first = repeat.at + lengthOf(repeat);
    }
    const offset = zone.offsetAt(from);
    for (const wall of wallTimes(fields, first + offset, next - 1 + offset)) yield { at: new Date(wall - offset) };
    from = next;
  }
}

/** From `from` to `until`, both included. */
function* intervalDueTimes({ everyMs, offsetMs }: IntervalCalendar, from: number, until: number): Generator<DueTime> {
  const first = Math.ceil((from - offsetMs) / everyMs) * everyMs + offsetMs;
  for (let at = first; at <= until; at += everyMs) yield { at: new Date(at) };
}

/** Whether the fields match in the gap, but not at its end: there it is due anyway. */
function isDueAfterGap(fields: CronFields, change: ClockChange): boolean {
  const { at, before, after } = change;
  if (after < before || isClockSet(change)) return false;
  const end = at + after;
  return !wallTimes(fields, at + before, end - 1).next().done && wallTimes(fields, end, end).next().done === true;
}

/** The change that put clocks back, when `instant` lies in the second pass of what it repeats. */
function repeatAt(zone: TimeZone, instant: number): ClockChange | undefined {
  const change = zone.changes(instant - LONGEST_JUMP_MS - MINUTE_MS, instant).at(-1);
  if (change === undefined || isClockSet(change)) return undefined;
  return instant < change.at + lengthOf(change) ? change : undefined;
}

/** Whether the change is too large to be made up for. */
function isClockSet({ before, after }: ClockChange): boolean {
  return Math.abs(after - before + MINUTE_MS) > LONGEST_JUMP_MS;
}

/** What clocks were put back by; negative for a gap. */
function lengthOf({ before, after }: ClockChange): number {
  return before - after;
}
