/**
 * What the Temporal Schedule of a definition should be. Pure: temporal/schedules.ts carries it out.
 *
 * A schedule is a projection of its definition's row. The hash of the plan is kept beside the row, so that an
 * unchanged definition causes no update: an update would discard due times that the engine still holds.
 */
import { createHash } from "node:crypto";
import { type Calendar, type CronCalendar, compileCalendar } from "../calendar/calendar.ts";
import type { Misfire } from "../calendar/misfire.ts";
import type { Definition } from "../definition/schema.ts";
import { type CalendarSpec, cronCalendars, datedCalendar } from "./calendar-spec.ts";
import { hourlyMinutes, planClockExceptions } from "./clock-exceptions.ts";

export interface SchedulePlan {
  schedule_id: string;
  activity_id: string;
  activity_name: string;
  /** Of the calendars. */
  timezone: string;
  calendars: CalendarSpec[];
  /** What is not due although a calendar or an interval says so. */
  excluded: CalendarSpec[];
  /** Counted from the Unix epoch. */
  intervals: { every_ms: number; offset_ms: number }[];
  jitter_ms: number;
  /** What becomes of a due time while the run before it is still going. */
  overlap: "skip" | "buffer_all" | "buffer_one";
  /** How late the engine still starts what it could not start in time. */
  catchup_window_ms: number;
  /** Absent: without end. */
  remaining_actions?: number;
  paused: boolean;
}

/** In the hash: moves when the same plan is carried out in another way, so that a new release tells every schedule. */
const ENCODING = 2;
/** The engine's least: what was due before is not started late. */
const LEAST_CATCHUP_WINDOW_MS = 10_000;
const YEAR_MS = 365 * 86_400_000;
/** 53 years: an interval of it is due once, from 1985 to 2077. */
const ONCE_MS = 1_700_000_000_000;

export function scheduleId(activityId: string): string {
  return `activity-schedule-${activityId}`;
}

/**
 * The wanted schedule, or undefined for a definition that has none. The same answer over versions that do not change
 * the trigger, and at every `now` of five years: they begin with those that 5 divides.
 */
export function planSchedule(definition: Definition, now: Date): SchedulePlan | undefined {
  return planUnlessDone(definition, null, now);
}

/** As `planSchedule`; a one-shot that is accounted for needs no schedule any more. */
export function planUnlessDone(definition: Definition, doneAt: Date | null, now: Date): SchedulePlan | undefined {
  if (definition.trigger_config.trigger_type === "event") return undefined;
  const calendar = compileCalendar(definition.trigger_config);
  // Accounted for was the time that it had then. The present one may be another, to come.
  if (calendar.trigger_type === "scheduled" && doneAt !== null && (calendar.at ?? doneAt) <= doneAt) return undefined;
  const times = timesOf(calendar, now);
  if (times.calendars.length + times.intervals.length === 0) return undefined;
  return {
    schedule_id: scheduleId(definition.id),
    activity_id: definition.id,
    activity_name: definition.name,
    ...times,
    ...policiesOf(calendar),
    paused: !definition.enabled,
  };
}

/** Of all but `paused`, which the engine is told apart: a pause is no update. */
export function hashPlan({ paused: _, ...plan }: SchedulePlan): string {
  return createHash("sha256")
    .update(JSON.stringify([ENCODING, plan]))
    .digest("hex");
}

type Times = Pick<SchedulePlan, "timezone" | "calendars" | "excluded" | "intervals">;
const NO_TIMES: Times = { timezone: "UTC", calendars: [], excluded: [], intervals: [] };

function timesOf(calendar: Calendar, now: Date): Times {
  switch (calendar.trigger_type) {
    case "cron":
      return cronTimes(calendar, now);
    case "interval":
      return { ...NO_TIMES, intervals: [{ every_ms: calendar.everyMs, offset_ms: calendar.offsetMs }] };
    case "scheduled":
      return calendar.at === undefined ? NO_TIMES : { ...NO_TIMES, calendars: [datedCalendar(calendar.at)] };
  }
}

const MAX_KEPT = 1_000;
const kept = new Map<string, Times>();

/** Kept, because a sync plans every definition, and a plan of five years takes milliseconds. */
function cronTimes(calendar: CronCalendar, now: Date): Times {
  const block = Math.floor(now.getUTCFullYear() / 5) * 5;
  const key = `${block} ${calendar.zone.name} ${calendar.dst_gap} ${JSON.stringify(calendar.fields)}`;
  let times = kept.get(key);
  if (times === undefined) {
    times = planCron(calendar, block);
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(key, times);
  }
  return times;
}

/** The calendars of a cron; and by date, where the engine reads them wrong. */
function planCron(calendar: CronCalendar, block: number): Times {
  const { fields, zone } = calendar;
  // From a year before, for what the engine may still be catching up with; to five years after the block's end.
  const [from, until] = [new Date(Date.UTC(block - 1, 0, 1)), new Date(Date.UTC(block + 10, 0, 1))];
  const minutes = hourlyMinutes(calendar, from, until);
  if (minutes !== undefined) return { ...NO_TIMES, calendars: cronCalendars({ ...fields, minutes }) };
  const { instants, calendars, excluded } = planClockExceptions(calendar, from, until);
  return {
    timezone: zone.name,
    calendars: [...cronCalendars(fields), ...calendars],
    excluded,
    intervals: instants.map((at) => ({ every_ms: ONCE_MS, offset_ms: at.getTime() % ONCE_MS })),
  };
}

const OVERLAPS: Record<Misfire["policy"], SchedulePlan["overlap"]> = {
  skip: "skip",
  catchup: "buffer_all",
  compress: "buffer_one",
};

function policiesOf({
  trigger_type,
  misfire,
}: Calendar): Pick<SchedulePlan, "jitter_ms" | "overlap" | "catchup_window_ms" | "remaining_actions"> {
  if (trigger_type === "scheduled")
    return { jitter_ms: 0, overlap: "skip", catchup_window_ms: YEAR_MS, remaining_actions: 1 };
  const { policy, catchupWindowMs, jitterMs } = misfire;
  return {
    jitter_ms: jitterMs,
    overlap: OVERLAPS[policy],
    catchup_window_ms:
      policy === "catchup" ? Math.max(catchupWindowMs, LEAST_CATCHUP_WINDOW_MS) : LEAST_CATCHUP_WINDOW_MS,
  };
}
