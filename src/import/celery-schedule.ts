/**
 * Celery's schedules as triggers. Pure.
 *
 * Celery's crontab differs from crontab(5): a range may go over its end (`22-2`), weekdays end with 6, and a day must match
 * both of its day fields, also where neither begins with `*`.
 */
import type { CronTrigger, IntervalTrigger, ScheduledTrigger } from "../calendar/trigger.ts";
import { preview } from "../json/faults.ts";
import { type Fields, isFields } from "../json/fields.ts";
import { TerminalError } from "../kernel/errors.ts";

interface Field {
  name: string;
  low: number;
  high: number;
  names?: readonly string[];
}

const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MINUTE: Field = { name: "minute", low: 0, high: 59 };
const HOUR: Field = { name: "hour", low: 0, high: 23 };
const DAY: Field = { name: "day_of_month", low: 1, high: 31 };
const MONTH: Field = { name: "month_of_year", low: 1, high: 12, names: MONTHS };
const WEEKDAY: Field = { name: "day_of_week", low: 0, high: 6, names: WEEKDAYS };
const SECONDS: Readonly<Record<string, number>> = { days: 86_400, hours: 3_600, minutes: 60, seconds: 1 };
const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "m"],
  [1, "s"],
] as const;

type Trigger = CronTrigger | IntervalTrigger | ScheduledTrigger;

/**
 * Of a `schedule` as JSON: seconds, or `{__type__: crontab | interval, …}`; of tables of django-celery-beat, `{every, period}`,
 * the fields of a crontab, and `{clocked_time}`. What else a trigger says is not checked.
 * @throws TerminalError `not_imported`, whose message is the reason
 */
export function toTrigger(schedule: unknown, timezone: string): Trigger {
  if (typeof schedule === "number") return toInterval(schedule, 1);
  if (!isFields(schedule)) throw refuse(`its schedule is no number of seconds and no object: ${preview(schedule)}`);
  const { __type__: type, every, period = "seconds", clocked_time, timezone: own } = schedule;
  if (typeof clocked_time === "string") return { trigger_type: "scheduled", run_at: clocked_time };
  if (type === "crontab" || (type === undefined && every === undefined && hasAny(schedule)))
    return toCron(schedule, typeof own === "string" && own !== "" ? own : timezone);
  if (type !== undefined && type !== "interval")
    throw refuse(`a schedule of the type ${preview(type)} has no counterpart: write the times as a cron`);
  const seconds = SECONDS[String(period)];
  if (typeof every !== "number" || seconds === undefined)
    throw refuse(`expected an interval in whole seconds, received ${preview(schedule)}`);
  return toInterval(every, seconds);
}

function hasAny(schedule: Fields): boolean {
  return [MINUTE, HOUR, DAY, MONTH, WEEKDAY].some(({ name }) => schedule[name] !== undefined);
}

function toInterval(every: number, unit: number): IntervalTrigger {
  const seconds = every * unit;
  if (!Number.isInteger(seconds) || seconds < 1) throw refuse(`${seconds} seconds are no interval in whole seconds`);
  const [size, letter] = UNITS.find(([size]) => seconds % size === 0) ?? [1, "s"];
  return { trigger_type: "interval", every: `${seconds / size}${letter}` };
}

function toCron(schedule: Fields, timezone: string): CronTrigger {
  const [minute, hour, month] = [MINUTE, HOUR, MONTH].map((field) => write(read(schedule, field), field));
  const days = joinDays(read(schedule, DAY), read(schedule, WEEKDAY));
  return { trigger_type: "cron", cron_expression: [minute, hour, days[0], month, days[1]].join(" "), timezone };
}

/** Both fields must match, which a crontab says only of a field that begins with `*`: weeks of a month are written as `FRI#2`. */
function joinDays(days: ReadonlySet<number>, weekdays: ReadonlySet<number>): [day: string, weekday: string] {
  const [day, weekday] = [write(days, DAY), write(weekdays, WEEKDAY)];
  if (day.startsWith("*") || weekday.startsWith("*")) return [day, weekday];
  const [daySteps, weekdaySteps] = [writeSteps(days, DAY), writeSteps(weekdays, WEEKDAY)];
  if (daySteps !== undefined || weekdaySteps !== undefined) return [daySteps ?? day, weekdaySteps ?? weekday];
  const weeks = [1, 2, 3, 4].filter((week) => [1, 2, 3, 4, 5, 6, 7].every((each) => days.has((week - 1) * 7 + each)));
  if (weeks.length * 7 !== days.size)
    throw refuse(
      `day_of_month ${day} and day_of_week ${weekday}: Celery runs on days that match both, a crontab on days that match either: ` +
        "write one of them, and the other one as the definition's `when`",
    );
  return ["*", [...weekdays].flatMap((each) => weeks.map((week) => `${each}#${week}`)).join(",")];
}

/** The numbers that a field names. */
function read(schedule: Fields, field: Field): Set<number> {
  const value = schedule[field.name] ?? "*";
  const texts = Array.isArray(value)
    ? value.map(String)
    : String(value)
        .replace(/[\s[\]{}]/g, "")
        .split(",");
  return new Set(texts.flatMap((text) => readPart(text, field)));
}

function readPart(part: string, field: Field): number[] {
  const [, range = "", step] = /^([^/]*)(?:\/(\d+))?$/.exec(part) ?? [];
  const [from, to] = range === "*" ? [field.low, field.high] : readRange(range, part, field);
  if (step !== undefined && (Number(step) === 0 || (range !== "*" && !range.includes("-"))))
    throw refuse(`${field.name}: the step of ${preview(part)} has no range`);
  const size = field.high - field.low + 1;
  const count = ((to - from + size) % size) + 1;
  const all = Array.from({ length: count }, (_, at) => field.low + ((from - field.low + at) % size));
  return all.filter((_, at) => at % Number(step ?? 1) === 0);
}

function readRange(range: string, part: string, field: Field): [from: number, to: number] {
  const [first = "", last = first, ...more] = range.split("-");
  if (more.length > 0) throw refuse(`${field.name}: ${preview(part)} is no range`);
  return [readNumber(first, part, field), readNumber(last, part, field)];
}

function readNumber(text: string, part: string, { name, low, high, names = [] }: Field): number {
  const named = /^[A-Za-z]{3,}$/.test(text) ? names.indexOf(text.slice(0, 3).toLowerCase()) : -1;
  const number = named >= 0 ? named + low : /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= low && number <= high) return number;
  throw refuse(`${name}: ${preview(text)} of ${preview(part)} is not within ${low} to ${high}`);
}

/** Everything, steps over everything, or ranges and numbers. */
function write(set: ReadonlySet<number>, field: Field): string {
  const numbers = [...set].sort((a, b) => a - b);
  const steps = writeSteps(set, field);
  if (numbers.length === field.high - field.low + 1) return "*";
  if (steps !== undefined && numbers.length > 3) return steps;
  const runs: [first: number, last: number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs
    .map(([first, last]) => (first === last ? first : last - first === 1 ? `${first},${last}` : `${first}-${last}`))
    .join(",");
}

/** Undefined where the numbers are no steps over the whole field. */
function writeSteps(set: ReadonlySet<number>, { low, high }: Field): string | undefined {
  const numbers = [...set].sort((a, b) => a - b);
  const step = (numbers[1] ?? low) - low;
  const isSteps = step > 1 && numbers.every((number, at) => number === low + at * step);
  return isSteps && low + numbers.length * step > high ? `*/${step}` : undefined;
}

function refuse(reason: string): TerminalError {
  return new TerminalError("not_imported", reason);
}
