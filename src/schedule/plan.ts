/**
 * What the Temporal Schedule of a definition should be. Pure: temporal/schedules.ts carries it out.
 *
 * A schedule is a projection of its definition's row. The hash of the plan is kept beside the row, so that an
 * unchanged definition causes no update: an update would discard due times that the engine still holds.
 */
import { createHash } from "node:crypto";
import {
  type Calendar,
  type CronCalendar,
  compileCalendar,
  endOf,
  type IntervalCalendar,
} from "../calendar/calendar.ts";
import { toInstant } from "../calendar/local-time.ts";
import type { Misfire } from "../calendar/misfire.ts";
import type { ScheduleTrigger } from "../calendar/trigger.ts";
import { DAY_MS } from "../calendar/wall-times.ts";
import type { Definition } from "../definition/schema.ts";
import { createRecentlyUsed } from "../kernel/recently-used.ts";
import {
  type CalendarSpec,
  cronCalendars,
  datedCalendar,
  datedDays,
  datedStretch,
  hourlyCalendar,
} from "./calendar-spec.ts";
import { hourlyMinutes, planClockExceptions } from "./clock-exceptions.ts";

export interface SchedulePlan {
  schedule_id: string;
  activity_id: string;
  activity_name: string;
  /** The time zone of the calendars. */
  timezone: string;
  calendars: CalendarSpec[];
  /** What is not due although a calendar or an interval says so. */
  excluded: CalendarSpec[];
  /** Counted from the Unix epoch. */
  intervals: { every_ms: number; offset_ms: number }[];
  jitter_ms: number;
  /** Nothing is due before it, or after `end_ms`. Absent where there is no such bound. */
  start_ms?: number;
  end_ms?: number;
  /** What becomes of a due time while the run before it is still going. */
  overlap: "skip" | "buffer_all" | "buffer_one" | "allow_all";
  /** How late the engine still starts what it could not start in time. */
  catchup_window_ms: number;
  /** How many starts are left; absent when there is no end. */
  remaining_actions?: number;
  paused: boolean;
}

/** A part of the hash. It is raised when the same plan is carried out in another way, so that a new release tells every schedule. */
const ENCODING = 2;
/** The shortest window that the engine takes. What was due before it is not started late. */
const LEAST_CATCHUP_WINDOW_MS = 10_000;
const YEAR_MS = 365 * DAY_MS;
/** 53 years: an interval of it is due once, from 1985 to 2077. */
const ONCE_MS = 1_700_000_000_000;

export function scheduleId(activityId: string): string {
  return `activity-schedule-${activityId}`;
}

/**
 * The wanted schedule, or undefined for a definition that has none: it waits for events, or has an end, as a one-shot has, and
 * was accounted for to it at `doneAt`. The same answer over versions that do not change the trigger, and at every `now` of five years: they begin
 * with those that 5 divides.
 */
export function planSchedule(definition: Definition, now: Date, doneAt: Date | null = null): SchedulePlan | undefined {
  const { id, name, enabled, trigger_config: trigger, flow } = definition;
  if (trigger.trigger_type === "event") return undefined;
  const { end, times } = planTrigger(trigger, now);
  // Accounted for was the end that it had then. The present one may be another, to come.
  if (end !== undefined && doneAt !== null && end <= doneAt) return undefined;
  if (times.calendars.length + times.intervals.length === 0) return undefined;
  const overlap = overlapOf(times.overlap, flow);
  return { schedule_id: scheduleId(id), activity_id: id, activity_name: name, ...times, overlap, paused: !enabled };
}

/** The hash of everything but `paused`, which the engine is told apart, because a pause is no update. */
export function hashPlan({ paused: _, ...plan }: SchedulePlan): string {
  return createHash("sha256")
    .update(JSON.stringify([ENCODING, plan]))
    .digest("hex");
}

/** What a plan has of its trigger. */
interface TriggerPlan {
  /** When a one-shot is due, or the last one of others may be. */
  end: Date | undefined;
  times: Omit<SchedulePlan, "schedule_id" | "activity_id" | "activity_name" | "paused">;
}

const kept = createRecentlyUsed<TriggerPlan>(4_000);

/** Kept, because a sync plans every definition, and a cron of a zone with clock changes takes milliseconds. */
function planTrigger(trigger: ScheduleTrigger, now: Date): TriggerPlan {
  const block = Math.floor(now.getUTCFullYear() / 5) * 5;
  const key = `${block} ${JSON.stringify(trigger)}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const calendar = compileCalendar(trigger);
  const times = { ...timesOf(calendar, block), ...policiesOf(calendar), ...boundsOf(calendar) };
  return kept.put(key, { end: endOf(calendar), times });
}

type Times = Pick<SchedulePlan, "timezone" | "calendars" | "excluded" | "intervals">;
const NO_TIMES: Times = { timezone: "UTC", calendars: [], excluded: [], intervals: [] };

function timesOf(calendar: Calendar, block: number): Times {
  switch (calendar.trigger_type) {
    case "cron":
      return planCron(calendar, block);
    case "interval":
      return planInterval(calendar);
    case "scheduled":
      return calendar.at === undefined ? NO_TIMES : { ...NO_TIMES, calendars: [datedCalendar(calendar.at)] };
  }
}

function planInterval({ everyMs, offsetMs, except, zone }: IntervalCalendar): Times {
  const intervals = [{ every_ms: everyMs, offset_ms: offsetMs }];
  if (except.size === 0) return { ...NO_TIMES, intervals };
  return { timezone: zone.name, calendars: [], excluded: datedDays(except), intervals };
}

/** Without those that it does not have: the hash of a plan does not change with a release that knows more of them. */
function boundsOf(calendar: Calendar): Pick<SchedulePlan, "start_ms" | "end_ms"> {
  if (calendar.trigger_type === "scheduled") return {};
  const { startsAt, endsAt } = calendar;
  return {
    ...(Number.isFinite(startsAt) && { start_ms: startsAt }),
    ...(Number.isFinite(endsAt) && { end_ms: endsAt }),
  };
}

/** The calendars of a cron; and by date, where the engine reads them wrong. */
function planCron(calendar: CronCalendar, block: number): Times {
  const { crons, zone } = calendar;
  // From a year before, for what the engine may still be catching up with; to five years after the block's end.
  const [from, until] = [new Date(Date.UTC(block - 1, 0, 1)), new Date(Date.UTC(block + 10, 0, 1))];
  const minutes = hourlyMinutes(calendar, from, until);
  if (minutes !== undefined)
    return { ...NO_TIMES, calendars: [hourlyCalendar(minutes)], excluded: exceptedInUtc(calendar) };
  const { instants, calendars, excluded } = planClockExceptions(calendar, from, until);
  return {
    timezone: zone.name,
    calendars: [...crons.flatMap(cronCalendars), ...calendars],
    excluded: [...excluded, ...datedDays(calendar.except)],
    intervals: instants.map((at) => ({ every_ms: ONCE_MS, offset_ms: at.getTime() % ONCE_MS })),
  };
}

/** The dates that a calendar leaves out, for a plan in UTC. Those that follow each other are told at once. */
function exceptedInUtc({ except, zone }: CronCalendar): CalendarSpec[] {
  const first = [...except].filter((day) => !except.has(day - DAY_MS)).sort((a, b) => a - b);
  return first.flatMap((day) => {
    let end = day;
    while (except.has(end)) end += DAY_MS;
    return datedStretch(toInstant(day, zone), toInstant(end, zone));
  });
}

const OVERLAPS: Record<Misfire["policy"], SchedulePlan["overlap"]> = {
  skip: "skip",
  catchup: "buffer_all",
  compress: "buffer_one",
};

/** Where the definition says how many runs go at a time, the engine starts each due time, and the claim decides. */
function overlapOf(ofPolicy: SchedulePlan["overlap"], flow: Definition["flow"]): SchedulePlan["overlap"] {
  const isCounted = flow?.max_concurrent_runs !== undefined;
  // What is compressed are due times that the engine holds back.
  return isCounted && ofPolicy !== "buffer_one" ? "allow_all" : ofPolicy;
}

function policiesOf({
  trigger_type,
  misfire,
}: Calendar): Omit<TriggerPlan["times"], keyof Times | "start_ms" | "end_ms"> {
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
