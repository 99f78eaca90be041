/** What the schemas of triggers do not say: expressions, zones and durations that have a meaning, and that fit together. */

import { ENGINE_TIME_ZONES } from "../generated/time-zones.ts";
import { preview } from "../json/faults.ts";
import { type Fault, TerminalError } from "../kernel/errors.ts";
import { checkCron } from "./cron-expression.ts";
import { findDurationFaults, parseDuration } from "./duration.ts";
import { parseRunAt } from "./run-at.ts";
import type { CronTrigger, IntervalTrigger, ScheduledTrigger, ScheduleTrigger } from "./trigger.ts";

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;
/** The engine's calendars begin and end with them. */
const [FIRST_YEAR, LAST_YEAR] = [2000, 2100];

/** Faults of a trigger that conforms to its schema; `path` stands before each. */
export function findTriggerValueFaults(trigger: ScheduleTrigger, path: string): Fault[] {
  switch (trigger.trigger_type) {
    case "cron":
      return [...findCronFaults(trigger, path), ...findMisfireFaults(trigger, path)];
    case "interval":
      return [...findIntervalFaults(trigger, path), ...findMisfireFaults(trigger, path)];
    case "scheduled":
      return findScheduledFaults(trigger, path);
  }
}

function findCronFaults({ cron_expression, timezone, jitter }: CronTrigger, path: string): Fault[] {
  const faults: Fault[] = [];
  const unknown = timezone === undefined ? undefined : describeTimeZone(timezone);
  if (unknown !== undefined) faults.push({ path: `${path}/timezone`, message: unknown });
  try {
    checkCron(cron_expression);
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    faults.push({ path: `${path}/cron_expression`, message: error.message });
  }
  return [...faults, ...findDurationFaults(jitter, `${path}/jitter`, 0, DAY_MS)];
}

function findIntervalFaults({ every, offset, jitter }: IntervalTrigger, path: string): Fault[] {
  const faults = findWholeSecondsFaults(every, `${path}/every`, SECOND_MS);
  if (faults.length > 0) return faults;
  const everyMs = parseDuration(every);
  faults.push(...findWholeSecondsFaults(offset, `${path}/offset`, 0));
  if (faults.length === 0 && offset !== undefined && parseDuration(offset) >= everyMs)
    faults.push({ path: `${path}/offset`, message: `${preview(offset)} is not shorter than every, ${preview(every)}` });
  // More would carry a start past the next due time.
  return [...faults, ...findDurationFaults(jitter, `${path}/jitter`, 0, Math.min(DAY_MS, everyMs))];
}

function findMisfireFaults({ misfire_grace, catchup_window }: CronTrigger | IntervalTrigger, path: string): Fault[] {
  return [
    ...findDurationFaults(misfire_grace, `${path}/misfire_grace`, SECOND_MS),
    ...findDurationFaults(catchup_window, `${path}/catchup_window`, SECOND_MS),
  ];
}

function findScheduledFaults({ run_at }: ScheduledTrigger, path: string): Fault[] {
  const at = parseRunAt(run_at);
  const fault = (message: string) => [{ path: `${path}/run_at`, message }];
  if (at === undefined) return fault(`${preview(run_at)} is no time in whole seconds: there is no such date or hour`);
  if (at.getUTCFullYear() < FIRST_YEAR)
    return fault(`${preview(run_at)} is before ${FIRST_YEAR}, the first year known`);
  if (at.getUTCFullYear() > LAST_YEAR) return fault(`${preview(run_at)} is after ${LAST_YEAR}, the last year known`);
  return [];
}

function findWholeSecondsFaults(value: string | number | undefined, path: string, minMs: number): Fault[] {
  const faults = findDurationFaults(value, path, minMs);
  if (value === undefined || faults.length > 0 || parseDuration(value) % SECOND_MS === 0) return faults;
  return [{ path, message: `expected whole seconds, received ${preview(value)}` }];
}

/**
 * Why this is no time zone, or undefined. Both Intl and the engine have to know it: Intl knows some that tzdata has
 * dropped, such as US/Pacific-New, and takes any case of letters, and offsets.
 */
function describeTimeZone(name: string): string | undefined {
  const unknown = `${preview(name)} is no IANA time zone, such as Europe/Berlin`;
  if (!/^[A-Za-z]/.test(name)) return unknown;
  let written: string;
  try {
    written = new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return unknown;
  }
  const isOtherCase = written !== name && written.toLowerCase() === name.toLowerCase();
  if (isOtherCase) return `${preview(name)} is written ${written}`;
  return ENGINE_TIME_ZONES.has(name) ? undefined : `${preview(name)} is an IANA time zone no more: the engine has none`;
}
