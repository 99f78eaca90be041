/**
 * A calendar: a trigger that has due times, compiled. Its expression, zone, durations and time are read here once; whoever
 * asks when something is due, or what becomes of it, takes a calendar and parses nothing. Pure.
 */

import { createRecentlyUsed } from "../kernel/recently-used.ts";
import { type CronFields, parseCron } from "./cron-expression.ts";
import { parseDuration } from "./duration.ts";
import type { Misfire } from "./misfire.ts";
import { parseRunAt } from "./run-at.ts";
import { type TimeZone, timeZone } from "./time-zone.ts";
import type { CronTrigger, IntervalTrigger, ScheduleTrigger } from "./trigger.ts";

export type Calendar = CronCalendar | IntervalCalendar | OneShotCalendar;

export interface CronCalendar {
  readonly trigger_type: "cron";
  readonly fields: CronFields;
  readonly zone: TimeZone;
  /** Of a due time whose wall time a clock change removes. */
  readonly dst_gap: "run" | "skip";
  readonly misfire: Misfire;
}

export interface IntervalCalendar {
  readonly trigger_type: "interval";
  readonly everyMs: number;
  /** From the Unix epoch to a due time; shorter than `everyMs`. */
  readonly offsetMs: number;
  readonly misfire: Misfire;
}

export interface OneShotCalendar {
  readonly trigger_type: "scheduled";
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
      const { cron_expression, timezone = "UTC", dst_gap = "run" } = trigger;
      const [fields, zone] = [parseCron(cron_expression), timeZone(timezone)];
      return { trigger_type, fields, zone, dst_gap, misfire: compileMisfire(trigger) };
    }
    case "interval": {
      const [everyMs, offsetMs] = [parseDuration(trigger.every), parseDuration(trigger.offset ?? 0)];
      return { trigger_type, everyMs, offsetMs, misfire: compileMisfire(trigger) };
    }
    case "scheduled":
      return { trigger_type, at: parseRunAt(trigger.run_at), misfire: ONE_SHOT_MISFIRE };
  }
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
