/**
 * A calendar: a trigger that has due times, compiled. Its expression, zone, durations and time are read here once; whoever
 * asks when something is due, or what becomes of it, takes a calendar and parses nothing. Pure.
 */

import { createRecentlyUsed } from "../kernel/recently-used.ts";
import { parseCron } from "./cron-expression.ts";
import type { CronFields } from "./cron-fields.ts";
import { parseDuration } from "./duration.ts";
import { parseLocalTime } from "./local-time.ts";
import type { Misfire } from "./misfire.ts";
import { parseRunAt } from "./run-at.ts";
import { type TimeZone, timeZone } from "./time-zone.ts";
import type { CronTrigger, IntervalTrigger, ScheduleTrigger } from "./trigger.ts";

export type Calendar = CronCalendar | IntervalCalendar | OneShotCalendar;

/** What a cron and an interval have in common. */
interface RepeatingCalendar {
  readonly zone: TimeZone;
  /** Milliseconds. What is due then is due; infinite where there is no such bound. */
  readonly startsAt: number;
  readonly endsAt: number;
  /** Dates on which due times do not run: when each begins, as clocks of the zone show it, in milliseconds as if it were UTC. */
  readonly except: ReadonlySet<number>;
  readonly misfire: Misfire;
}

export interface CronCalendar extends RepeatingCalendar {
  readonly trigger_type: "cron";
  /** One or more; it is due when any of them is. */
  readonly crons: readonly CronFields[];
  /** Of a due time whose wall time a clock change removes. */
  readonly dst_gap: "run" | "skip";
}

export interface IntervalCalendar extends RepeatingCalendar {
  readonly trigger_type: "interval";
  readonly everyMs: number;
  /** From the Unix epoch to a due time; shorter than `everyMs`. */
  readonly offsetMs: number;
}

export interface OneShotCalendar {
  readonly trigger_type: "scheduled";
  readonly zone: TimeZone;
  /** Undefined where the trigger names no time that there is: it is never due. */
  readonly at: Date | undefined;
  readonly misfire: Misfire;
}

/** A one-shot runs once, however late. */
const ONE_SHOT_MISFIRE: Misfire = {
  policy: "catchup",
  graceMs: 60_000,
  catchupWindowMs: Number.POSITIVE_INFINITY,
  jitterMs: 0,
};

const kept = createRecentlyUsed<Calendar>(4_000);

/**
 * Of a trigger that was valid when it was stored. The calendar is frozen, and kept: equal triggers have the same one, as long as
 * it is among those that were used last.
 * @throws TerminalError `invalid_cron_expression`; RangeError for a time zone that is not known any more
 */
export function compileCalendar(trigger: ScheduleTrigger): Calendar {
  const key = JSON.stringify(trigger);
  return kept.get(key) ?? kept.put(key, Object.freeze(compile(trigger)));
}

function compile(trigger: ScheduleTrigger): Calendar {
  const { trigger_type } = trigger;
  switch (trigger_type) {
    case "cron": {
      const { cron_expression, dst_gap = "run" } = trigger;
      return { trigger_type, crons: [cron_expression].flat().map(parseCron), dst_gap, ...compileRepeating(trigger) };
    }
    case "interval": {
      const everyMs = parseDuration(trigger.every);
      return { trigger_type, everyMs, offsetMs: offsetOf(trigger, everyMs), ...compileRepeating(trigger) };
    }
    case "scheduled":
      return { trigger_type, zone: zoneOf(trigger), at: parseRunAt(trigger), misfire: ONE_SHOT_MISFIRE };
  }
}

function compileRepeating(trigger: CronTrigger | IntervalTrigger): RepeatingCalendar {
  const { starts_at, ends_at, except = [], timezone } = trigger;
  return {
    zone: zoneOf(trigger),
    startsAt: (starts_at === undefined ? undefined : parseLocalTime(starts_at, timezone)?.getTime()) ?? -Infinity,
    endsAt: (ends_at === undefined ? undefined : parseLocalTime(ends_at, timezone)?.getTime()) ?? Infinity,
    except: new Set(except.map((date) => Date.parse(date))),
    misfire: compileMisfire(trigger),
  };
}

function offsetOf({ anchor, offset = 0, timezone }: IntervalTrigger, everyMs: number): number {
  if (anchor === undefined) return parseDuration(offset);
  const at = parseLocalTime(anchor, timezone)?.getTime() ?? 0;
  return ((at % everyMs) + everyMs) % everyMs;
}

function zoneOf({ timezone = "UTC" }: ScheduleTrigger): TimeZone {
  return timeZone(timezone);
}

/** After it, nothing is due any more. Undefined: there is no end, or the calendar is never due. */
export function endOf(calendar: Calendar): Date | undefined {
  if (calendar.trigger_type === "scheduled") return calendar.at;
  return calendar.endsAt === Infinity ? undefined : new Date(calendar.endsAt);
}

function compileMisfire(trigger: CronTrigger | IntervalTrigger): Misfire {
  const { misfire_policy: policy = "skip", misfire_grace = "60s", catchup_window = "24h", jitter = 0 } = trigger;
  return {
    policy,
    graceMs: parseDuration(misfire_grace),
    catchupWindowMs: parseDuration(catchup_window),
    jitterMs: parseDuration(jitter),
  };
}
