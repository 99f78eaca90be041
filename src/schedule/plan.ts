/**
 * What the Temporal Schedule of a definition should be. Pure: temporal/schedules.ts carries it out.
 *
 * A schedule is a projection of its definition's row. The hash of the plan is kept beside the row, so that an
 * unchanged definition causes no update: an update would discard due times that the engine still holds.
 */
import { createHash } from "node:crypto";
import { parseCron } from "../calendar/cron-expression.ts";
import { parseDuration } from "../calendar/duration.ts";
import { type Misfire, misfireOf } from "../calendar/misfire.ts";
import { parseRunAt } from "../calendar/run-at.ts";
import type { CronTrigger, ScheduleTrigger } from "../calendar/trigger.ts";
import type { Definition } from "../definition/schema.ts";
import { type Calendar, cronCalendars, datedCalendar } from "./calendar-spec.ts";
import { hourlyMinutes, planClockExceptions } from "./clock-exceptions.ts";

export interface SchedulePlan {
  schedule_id: string;
  activity_id: string;
  activity_name: string;
  /** Of the calendars. */
  timezone: string;
  calendars: Calendar[];
  /** What is not due although a calendar or an interval says so. */
  excluded: Calendar[];
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
  const trigger = definition.trigger_config;
  if (trigger.trigger_type === "event") return undefined;
  const times = timesOf(trigger, now);
  if (times.calendars.length + times.intervals.length === 0) return undefined;
  return {
    schedule_id: scheduleId(definition.id),
    activity_id: definition.id,
    activity_name: definition.name,
    ...times,
    ...policiesOf(trigger),
    paused: !definition.enabled,
  };
}

/** As `planSchedule`; a one-shot that is accounted for needs no schedule any more. */
export function planUnlessDone(definition: Definition, doneAt: Date | null, now: Date): SchedulePlan | undefined {
  const { trigger_config: trigger } = definition;
  if (trigger.trigger_type === "scheduled" && doneAt !== null) {
    // Accounted for was the time that it had then; this one may be another, to come.
    const at = parseRunAt(trigger.run_at);
    if (at === undefined || at <= doneAt) return undefined;
  }
  return planSchedule(definition, now);
}

/** Of all but `paused`, which the engine is told apart: a pause is no update. */
export function hashPlan({ paused: _, ...plan }: SchedulePlan): string {
  return createHash("sha256")
    .update(JSON.stringify([ENCODING, plan]))
    .digest("hex");
}

type Times = Pick<SchedulePlan, "timezone" | "calendars" | "excluded" | "intervals">;
const NO_TIMES: Times = { timezone: "UTC", calendars: [], excluded: [], intervals: [] };

function timesOf(trigger: ScheduleTrigger, now: Date): Times {
  switch (trigger.trigger_type) {
    case "cron":
      return cronTimes(trigger, now);
    case "interval":
      return {
        ...NO_TIMES,
        intervals: [{ every_ms: parseDuration(trigger.every), offset_ms: parseDuration(trigger.offset ?? 0) }],
      };
    case "scheduled": {
      const at = parseRunAt(trigger.run_at);
      return at === undefined ? NO_TIMES : { ...NO_TIMES, calendars: [datedCalendar(at)] };
    }
  }
}

const MAX_KEPT = 1_000;
const kept = new Map<string, Times>();

/** A sync asks for every definition: what takes milliseconds is planned once in five years. */
function cronTimes(trigger: CronTrigger, now: Date): Times {
  const { cron_expression, timezone = "UTC", dst_gap = "run" } = trigger;
  const block = Math.floor(now.getUTCFullYear() / 5) * 5;
  const key = `${block} ${timezone} ${dst_gap} ${cron_expression}`;
  let times = kept.get(key);
  if (times === undefined) {
    times = planCron(trigger, block);
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(key, times);
  }
  return times;
}

/** The calendars of a cron; and by date, where the engine reads them wrong. */
function planCron(trigger: CronTrigger, block: number): Times {
  const fields = parseCron(trigger.cron_expression);
  // From a year before, for what the engine may still be catching up with; to five years after the block's end.
  const [from, until] = [new Date(Date.UTC(block - 1, 0, 1)), new Date(Date.UTC(block + 10, 0, 1))];
  const minutes = hourlyMinutes(trigger, from, until);
  if (minutes !== undefined) return { ...NO_TIMES, calendars: cronCalendars({ ...fields, minutes }) };
  const { instants, calendars, excluded } = planClockExceptions(trigger, from, until);
  return {
    timezone: trigger.timezone ?? "UTC",
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

function policiesOf(
  trigger: ScheduleTrigger,
): Pick<SchedulePlan, "jitter_ms" | "overlap" | "catchup_window_ms" | "remaining_actions"> {
  if (trigger.trigger_type === "scheduled")
    return { jitter_ms: 0, overlap: "skip", catchup_window_ms: YEAR_MS, remaining_actions: 1 };
  const { policy, catchupWindowMs, jitterMs } = misfireOf(trigger);
  return {
    jitter_ms: jitterMs,
    overlap: OVERLAPS[policy],
    catchup_window_ms:
      policy === "catchup" ? Math.max(catchupWindowMs, LEAST_CATCHUP_WINDOW_MS) : LEAST_CATCHUP_WINDOW_MS,
  };
}
