/**
 * A crontab line's time: five fields or a nickname, as Vixie cron and cronie read them (docs/schedules.md).
 *
 * Read here and by nobody else: the engine is given the sets (trigger/schedule/plan.ts), never the text. Its own cron
 * means AND where crontab means OR, and reads `5/10`, six fields and `@every` in ways of its own.
 */
import { TerminalError } from "../errors.ts";

/** Each array is sorted, without doubles, and not empty. */
export interface CronFields {
  minutes: readonly number[];
  hours: readonly number[];
  /** Of the month, from 1. */
  days: readonly number[];
  /** From 1, January. */
  months: readonly number[];
  /** From 0, Sunday, to 6. */
  weekdays: readonly number[];
  /** Neither day field begins with `*`: a day matches when EITHER does; else when both do. */
  either: boolean;
  /** The minute or the hour field begins with `*`: it runs by the clock, also on a day when the clock changes. */
  wildcard: boolean;
}

interface Field {
  name: string;
  low: number;
  high: number;
  /** In order, the first is `low`. */
  names?: readonly string[];
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MINUTE: Field = { name: "minute", low: 0, high: 59 };
const HOUR: Field = { name: "hour", low: 0, high: 23 };
const DAY: Field = { name: "day-of-month", low: 1, high: 31 };
const MONTH: Field = { name: "month", low: 1, high: 12, names: MONTHS };
/** 0 and 7 are Sunday. */
const WEEKDAY: Field = { name: "day-of-week", low: 0, high: 7, names: WEEKDAYS };

const NICKNAMES: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};
/** February's longest counts: every fourth year has it. */
const MONTH_LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** @throws TerminalError `invalid_cron_expression`, whose message is the reason */
export function parseCron(text: string): CronFields {
  const [minute, hour, day, month, weekday] = splitFields(text);
  const fields: CronFields = {
    minutes: parseField(minute, MINUTE),
    hours: parseField(hour, HOUR),
    days: parseField(day, DAY),
    months: parseField(month, MONTH),
    weekdays: toSet(parseField(weekday, WEEKDAY).map((number) => number % 7)),
    either: !day.startsWith("*") && !weekday.startsWith("*"),
    wildcard: minute.startsWith("*") || hour.startsWith("*"),
  };
  const [earliest = 1] = fields.days;
  if (!fields.either && fields.months.every((number) => earliest > (MONTH_LENGTHS[number - 1] ?? 0)))
    throw refuse(`never fires: ${month} has no day ${day}`);
  return fields;
}

function splitFields(text: string): [string, string, string, string, string] {
  const trimmed = text.trim();
  const words = (trimmed.startsWith("@") ? expandNickname(trimmed) : trimmed).split(/\s+/);
  const [minute, hour, day, month, weekday] = words;
  if (/^(CRON_)?TZ=/.test(trimmed)) throw refuse("takes no time zone: write it as `timezone`");
  if (words.length === 5 && minute && hour && day && month && weekday) return [minute, hour, day, month, weekday];
  const received = trimmed === "" ? 0 : words.length;
  const more = received === 6 || received === 7 ? ": a crontab has no seconds and no years" : "";
  throw refuse(`expected five fields (minute hour day-of-month month day-of-week), received ${received}${more}`);
}

function expandNickname(text: string): string {
  const [nickname = "", ...rest] = text.split(/\s+/);
  const fields = NICKNAMES[nickname.toLowerCase()];
  if (fields !== undefined && rest.length === 0) return fields;
  if (/^@every$/i.test(nickname))
    throw refuse("@every is no time of a crontab: use `trigger_type: interval` with `every`");
  if (/^@reboot$/i.test(nickname)) throw refuse("@reboot has no time, and a server's start is no trigger");
  const known = Object.keys(NICKNAMES).join(", ");
  if (fields !== undefined) throw refuse(`${nickname} stands alone, without ${JSON.stringify(rest.join(" "))}`);
  throw refuse(`${JSON.stringify(nickname)} is no nickname: there are ${known}`);
}

/** A list of numbers, names, ranges and steps; sorted. */
function parseField(text: string, field: Field): number[] {
  return toSet(text.split(",").flatMap((part) => parsePart(part, field)));
}

// One of `*`, `n`, `n-m`, `*/s` or `n-m/s`.
function parsePart(part: string, field: Field): number[] {
  const [range = "", step, ...others] = part.split("/");
  if (others.length > 0) throw refuse(`${field.name}: ${JSON.stringify(part)} has more than one step`);
  if (range === "*") return count(field.low, field.high, parseStep(step, part, field));
  const [from = "", to, ...more] = range.split("-");
  if (more.length > 0) throw refuse(`${field.name}: ${JSON.stringify(part)} is no range`);
  const start = parseValue(from, part, field);
  if (to === undefined) {
    // cronie refuses it too; others read it as n, or as n to the field's end.
    if (step !== undefined)
      throw refuse(`${field.name}: the step of ${JSON.stringify(part)} needs a range: ${from}-${field.high}/${step}`);
    return [start];
  }
  // A week may end with its Sunday, by name too.
  const named = parseValue(to, part, field);
  const end = field === WEEKDAY && named === 0 && start > 0 && to !== "0" ? 7 : named;
  if (end < start) throw refuse(`${field.name}: the range ${JSON.stringify(range)} runs backwards`);
  return count(start, end, parseStep(step, part, field));
}

function parseStep(text: string | undefined, part: string, { name }: Field): number {
  if (text === undefined) return 1;
  if (!/^\d{1,4}$/.test(text)) throw refuse(`${name}: the step of ${JSON.stringify(part)} is no number`);
  const step = Number(text);
  if (step === 0) throw refuse(`${name}: the step of ${JSON.stringify(part)} is zero`);
  return step;
}

function parseValue(text: string, part: string, { name, low, high, names }: Field): number {
  const named = names?.indexOf(text.toUpperCase()) ?? -1;
  if (named >= 0) return named + low;
  if (/^\d{1,9}$/.test(text)) {
    const number = Number(text);
    if (number >= low && number <= high) return number;
    throw refuse(`${name}: ${text} is not within ${low} to ${high}`);
  }
  const foreign = /[LW#?+]/i.exec(text)?.[0];
  if (foreign !== undefined && !/^[A-Z]{3,}$/i.test(text))
    throw refuse(`${name}: ${JSON.stringify(part)}: L, W, #, ? and + have no meaning in a crontab`);
  const expected = names === undefined ? "a number" : `a number or a name such as ${names[1]}`;
  throw refuse(`${name}: expected ${expected}, received ${JSON.stringify(text)}`);
}

function count(start: number, end: number, step: number): number[] {
  const numbers: number[] = [];
  for (let number = start; number <= end; number += step) numbers.push(number);
  return numbers;
}

function toSet(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function refuse(reason: string): TerminalError {
  return new TerminalError("invalid_cron_expression", reason);
}
