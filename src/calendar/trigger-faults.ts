/** What the schemas of triggers do not say: expressions, zones and durations that have a meaning, and that fit together. */

import { ENGINE_TIME_ZONES } from "../generated/time-zones.ts";
import { preview } from "../json/faults.ts";
import { type Fault, TerminalError } from "../kernel/errors.ts";
import { type Calendar, compileCalendar } from "./calendar.ts";
import { checkCron } from "./cron-expression.ts";
import { timesToRun } from "./due-times.ts";
import { findDurationFaults, parseDuration } from "./duration.ts";
import { describeDateFault, describeLocalTimeFault, toInstant } from "./local-time.ts";
import type { CronTrigger, IntervalTrigger, ScheduleTrigger } from "./trigger.ts";
import { DAY_MS, isOnDayOf } from "./wall-times.ts";

const SECOND_MS = 1000;
/** The engine looks at each due time that is left out, and must not take a second for it: so many take it a tenth. */
const MAX_LEFT_OUT = 10_000;

/** Faults of a trigger that conforms to its schema; `path` stands before each. */
export function findTriggerValueFaults(trigger: ScheduleTrigger, path: string): Fault[] {
  switch (trigger.trigger_type) {
    case "cron":
      return findRepeatingFaults(trigger, findCronFaults(trigger, path), path);
    case "interval":
      return findRepeatingFaults(trigger, findIntervalFaults(trigger, path), path);
    case "scheduled":
      return [...findTimeZoneFaults(trigger, path), ...findTimeFaults(trigger, trigger.run_at, `${path}/run_at`)];
  }
}

/** Faults of a trigger that repeats; `own` are those of its kind. */
function findRepeatingFaults(trigger: CronTrigger | IntervalTrigger, own: readonly Fault[], path: string): Fault[] {
  const { starts_at, ends_at } = trigger;
  const faults = [
    ...findTimeZoneFaults(trigger, path),
    ...own,
    ...findMisfireFaults(trigger, path),
    ...findTimeFaults(trigger, starts_at, `${path}/starts_at`),
    ...findTimeFaults(trigger, ends_at, `${path}/ends_at`),
  ];
  faults.push(...findExceptFaults(trigger, path));
  if (faults.length > 0) return faults;
  const leftOut = findLeftOutFaults(trigger, path);
  return leftOut.length > 0 ? leftOut : findNeverDueFaults(trigger, path);
}

/** Of a trigger with a beginning and an end, between which nothing is due. */
function findNeverDueFaults(trigger: CronTrigger | IntervalTrigger, path: string): Fault[] {
  const { starts_at, ends_at } = trigger;
  if (starts_at === undefined || ends_at === undefined) return [];
  const calendar = compileCalendar(trigger);
  if (calendar.trigger_type === "scheduled") return [];
  const { startsAt, endsAt } = calendar;
  const fault = (message: string) => [{ path: `${path}/ends_at`, message }];
  if (endsAt < startsAt) return fault(`${preview(ends_at)} is before starts_at, ${preview(starts_at)}`);
  const isDue = timesToRun(calendar, new Date(startsAt - 1), new Date(endsAt)).some(() => true);
  return isDue ? [] : fault(`nothing is due from starts_at, ${preview(starts_at)}, to ${preview(ends_at)}`);
}

function findExceptFaults({ except = [] }: CronTrigger | IntervalTrigger, path: string): Fault[] {
  return except.flatMap((date, index) => {
    const message = describeDateFault(date);
    return message === undefined ? [] : [{ path: `${path}/except/${index}`, message }];
  });
}

/** Of dates that leave out so much in a row that the engine would look for the next due time for long. */
function findLeftOutFaults(trigger: CronTrigger | IntervalTrigger, path: string): Fault[] {
  if (trigger.except === undefined) return [];
  const calendar = compileCalendar(trigger);
  if (calendar.trigger_type === "scheduled") return [];
  const { except, zone } = calendar;
  let [inRow, end] = [0, 0];
  for (const day of [...except].sort((a, b) => a - b)) {
    const start = toInstant(day, zone);
    // Before the first one nothing is in a row.
    const isInRow = inRow > 0 && timesToRun(calendar, new Date(end - 1), new Date(start - 1)).next().done;
    inRow = (isInRow ? inRow : 0) + countOfDay(calendar, day);
    end = toInstant(day + DAY_MS, zone);
    if (inRow > MAX_LEFT_OUT) {
      const message =
        `leaves out ${inRow} due times in a row, and may leave out ${MAX_LEFT_OUT}: ` +
        "let one definition end with `ends_at`, and another begin with `starts_at`";
      return [{ path: `${path}/except`, message }];
    }
  }
  return [];
}

/** How many due times a day has at most. */
function countOfDay(calendar: Exclude<Calendar, { trigger_type: "scheduled" }>, day: number): number {
  if (calendar.trigger_type === "interval") return Math.ceil(DAY_MS / calendar.everyMs);
  const crons = calendar.crons.filter((fields) => isOnDayOf(fields, day));
  return crons.reduce((sum, { hours, minutes }) => sum + hours.length * minutes.length, 0);
}

function findCronFaults({ cron_expression, jitter }: CronTrigger, path: string): Fault[] {
  const faults = [cron_expression].flat().flatMap((text, index) => {
    const at = Array.isArray(cron_expression) ? `cron_expression/${index}` : "cron_expression";
    try {
      checkCron(text);
      return [];
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      return [{ path: `${path}/${at}`, message: error.message }];
    }
  });
  return [...faults, ...findDurationFaults(jitter, `${path}/jitter`, 0, DAY_MS)];
}

function findIntervalFaults(trigger: IntervalTrigger, path: string): Fault[] {
  const { every, offset, anchor, jitter } = trigger;
  const faults = findWholeSecondsFaults(every, `${path}/every`, SECOND_MS);
  if (faults.length > 0) return faults;
  const everyMs = parseDuration(every);
  faults.push(...findWholeSecondsFaults(offset, `${path}/offset`, 0));
  if (faults.length === 0 && offset !== undefined && parseDuration(offset) >= everyMs)
    faults.push({ path: `${path}/offset`, message: `${preview(offset)} is not shorter than every, ${preview(every)}` });
  faults.push(...findTimeFaults(trigger, anchor, `${path}/anchor`));
  if (offset !== undefined && anchor !== undefined)
    faults.push({ path: `${path}/anchor`, message: "stands in place of `offset`: write one of them" });
  // More would carry a start past the next due time.
  return [...faults, ...findDurationFaults(jitter, `${path}/jitter`, 0, Math.min(DAY_MS, everyMs))];
}

function findMisfireFaults({ misfire_grace, catchup_window }: CronTrigger | IntervalTrigger, path: string): Fault[] {
  return [
    ...findDurationFaults(misfire_grace, `${path}/misfire_grace`, SECOND_MS),
    ...findDurationFaults(catchup_window, `${path}/catchup_window`, SECOND_MS),
  ];
}

function findTimeZoneFaults({ timezone }: ScheduleTrigger, path: string): Fault[] {
  const unknown = timezone === undefined ? undefined : describeTimeZone(timezone);
  return unknown === undefined ? [] : [{ path: `${path}/timezone`, message: unknown }];
}

/** Of a time of the trigger; none where its time zone is unknown, which is a fault of its own. */
function findTimeFaults({ timezone }: ScheduleTrigger, text: string | undefined, path: string): Fault[] {
  if (text === undefined || (timezone !== undefined && describeTimeZone(timezone) !== undefined)) return [];
  const message = describeLocalTimeFault(text, timezone);
  return message === undefined ? [] : [{ path, message }];
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
export function describeTimeZone(name: string): string | undefined {
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
