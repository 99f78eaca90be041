/**
 * A crontab line's time: five fields or a nickname, as Vixie cron and cronie read them (docs/schedules.md); and in the day
 * fields `L` and `#`, as other schedulers read them.
 *
 * Read here and by nobody else: the engine is given the sets (schedule/plan.ts), never the text. Its own cron
 * means AND where crontab means OR, and reads `5/10`, six fields and `@every` in ways of its own.
 */

import { preview } from "../json/faults.ts";
import { TerminalError } from "../kernel/errors.ts";
import { type CronFields, hasDay, type NthWeekday } from "./cron-fields.ts";
import { MAX_DURATION_MS } from "./duration.ts";

type FiveFields = [minute: string, hour: string, day: string, month: string, weekday: string];

interface Field {
  name: string;
  low: number;
  high: number;
  /** In order, the first is `low`. */
  names?: readonly string[];
  /** How an interval of so many is written, in words and as a duration. */
  unit?: readonly [words: string, letter: "m" | "h" | "d"];
}

/** `start`, `start + step`, … up to `end`. */
export interface Range {
  start: number;
  end: number;
  step: number;
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MINUTE: Field = { name: "minute", low: 0, high: 59, unit: ["minutes", "m"] };
const HOUR: Field = { name: "hour", low: 0, high: 23, unit: ["hours", "h"] };
const DAY: Field = { name: "day-of-month", low: 1, high: 31, unit: ["days", "d"] };
const MONTH: Field = { name: "month", low: 1, high: 12, names: MONTHS };
/** 0 and 7 are Sunday. */
const WEEKDAY: Field = { name: "day-of-week", low: 0, high: 7, names: WEEKDAYS, unit: ["days", "d"] };
const FIELDS = [MINUTE, HOUR, DAY, MONTH, WEEKDAY] as const;

const NICKNAMES: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};
const COUNTED = "L and # are written L and L-3 in day-of-month, FRIL and FRI#2 in day-of-week";
/** What to write in place of signs that other schedulers know. */
const FOREIGN: Readonly<Record<string, string>> = {
  L: COUNTED,
  "#": COUNTED,
  W: "W, the working day nearest to a date, has no meaning here: write dates, or MON-FRI",
  "?": "? has no meaning here: write *",
  "+": "+ has no meaning here",
};
const DAY_MS = 86_400_000;
/** `L` and `L-3`. */
const BEFORE_LAST = /^L(?:-(\d{1,2}))?$/i;
/** `FRIL`, `FRI#L` and `FRI#2`. */
const NTH_WEEKDAY = /^(\w+?)(?:#(\w+)|L)$/i;

/**
 * As `parseCron`, for an expression that is written now: a step beyond its field is refused too. `parseCron` reads it, because
 * earlier releases stored such expressions, and those keep their meaning.
 * @throws TerminalError `invalid_cron_expression`, whose message is the reason
 */
export function checkCron(text: string): void {
  parseCron(text);
  for (const [index, field] of FIELDS.entries())
    for (const part of splitFields(text)[index]?.split(",") ?? []) if (!isCounted(part, field)) checkStep(part, field);
}

/** @throws TerminalError `invalid_cron_expression`, whose message is the reason */
export function parseCron(text: string): CronFields {
  const [minute, hour, day, month, weekday] = splitFields(text);
  const fields: CronFields = {
    minutes: parseField(minute, MINUTE),
    hours: parseField(hour, HOUR),
    days: parseField(day, DAY),
    ...parseDaysBeforeLast(day),
    months: parseField(month, MONTH),
    weekdays: toSet(parseField(weekday, WEEKDAY).map((number) => number % 7)),
    ...parseNthWeekdays(weekday),
    either: !day.startsWith("*") && !weekday.startsWith("*"),
    wildcard: minute.startsWith("*") || hour.startsWith("*"),
  };
  if (hasDay(fields)) return fields;
  if (fields.nthWeekdays === undefined) throw refuse(`never fires: ${month} has no day ${day}`);
  throw refuse(`never fires: no day ${day} is a day ${weekday}`);
}

function splitFields(text: string): FiveFields {
  const trimmed = text.trim();
  if (/^(CRON_)?TZ=/.test(trimmed)) throw refuse("takes no time zone: write it as `timezone`");
  const words = (trimmed.startsWith("@") ? expandNickname(trimmed) : trimmed).split(/\s+/);
  if (words.length === 5) return words as FiveFields;
  const received = trimmed === "" ? 0 : words.length;
  if (isTimeWithCommand(words)) throw refuseCommand(words.slice(0, 5).join(" "), words.slice(5).join(" "));
  const more = received === 6 || received === 7 ? ": a crontab has no seconds and no years" : "";
  throw refuse(`expected five fields (minute hour day-of-month month day-of-week), received ${received}${more}`);
}

/** The time and the command of a crontab's line; undefined: it is none. */
export function readCrontabLine(line: string): { time: string; command: string } | undefined {
  const words = line.trim().split(/\s+/);
  const [first = ""] = words;
  const isNickname = Object.hasOwn(NICKNAMES, first.toLowerCase()) && words.length > 1;
  if (!isNickname && !isTimeWithCommand(words)) return undefined;
  const count = isNickname ? 1 : 5;
  return { time: words.slice(0, count).join(" "), command: words.slice(count).join(" ") };
}

/** Whether it is a whole line of a crontab. Otherwise the words after the time are fields of a cron with seconds or years. */
function isTimeWithCommand(words: readonly string[]): boolean {
  if (words.length < 6 || words.slice(5).every(isLikeField)) return false;
  try {
    parseCron(words.slice(0, 5).join(" "));
    return true;
  } catch {
    return false;
  }
}

function isLikeField(word: string): boolean {
  const letters = word.toUpperCase().match(/[A-Z]+/g) ?? [];
  const names = [...MONTHS, ...WEEKDAYS, "L", "W", "LW"];
  return /^[\w*?#,/-]+$/.test(word) && letters.every((name) => names.includes(name.replace(/(?<=^\w{3})L$/, "")));
}

function refuseCommand(time: string, command: string): TerminalError {
  const [before, what] = [JSON.stringify(time), preview(command)];
  return refuse(`takes the time of a crontab's line and not its command: write ${before}, and a task for ${what}`);
}

function expandNickname(text: string): string {
  const [nickname = "", ...rest] = text.split(/\s+/);
  const fields = NICKNAMES[nickname.toLowerCase()];
  if (fields !== undefined && rest.length === 0) return fields;
  if (/^@every$/i.test(nickname))
    throw refuse("@every is no time of a crontab: use `trigger_type: interval` with `every`");
  if (/^@reboot$/i.test(nickname)) throw refuse("@reboot has no time, and a server's start is no trigger");
  const known = Object.keys(NICKNAMES).join(", ");
  if (fields !== undefined) throw refuseCommand(nickname, rest.join(" "));
  throw refuse(`${JSON.stringify(nickname)} is no nickname: there are ${known}`);
}

/** A list of numbers, names, ranges and steps; sorted. Without the parts that count days within their month. */
function parseField(text: string, field: Field): number[] {
  const parts = text.split(",").filter((part) => !isCounted(part, field));
  return toSet(parts.flatMap((part) => count(parsePart(part, field))));
}

/** Whether it is counted from the end of a month, or by its weekdays. */
function isCounted(part: string, field: Field): boolean {
  return (field === DAY && BEFORE_LAST.test(part)) || (field === WEEKDAY && NTH_WEEKDAY.test(part));
}

function parseDaysBeforeLast(text: string): Pick<CronFields, "daysBeforeLast"> {
  const before = text.split(",").flatMap((part) => {
    const [match, days = "0"] = BEFORE_LAST.exec(part) ?? [];
    if (match === undefined) return [];
    if (Number(days) > 30)
      throw refuse(`${DAY.name}: ${JSON.stringify(part)}: no month has more than 30 days before its last`);
    return Number(days);
  });
  return before.length === 0 ? {} : { daysBeforeLast: toSet(before) };
}

function parseNthWeekdays(text: string): Pick<CronFields, "nthWeekdays"> {
  const found = text.split(",").flatMap((part): NthWeekday[] => {
    const [match, day = "", nth = "L"] = NTH_WEEKDAY.exec(part) ?? [];
    if (match === undefined) return [];
    const weekday = parseValue(day, part, WEEKDAY) % 7;
    if (nth.toUpperCase() === "L") return [{ weekday, nth: "last" }];
    if (/^[1-5]$/.test(nth)) return [{ weekday, nth: Number(nth) }];
    throw refuse(`${WEEKDAY.name}: ${JSON.stringify(part)}: after # stands 1 to 5, or L for the last one of the month`);
  });
  return found.length === 0 ? {} : { nthWeekdays: found };
}

// One of `*`, `n`, `n-m`, `*/s` or `n-m/s`.
function parsePart(part: string, field: Field): Range {
  const [range = "", step, ...others] = part.split("/");
  if (others.length > 0) throw refuse(`${field.name}: ${JSON.stringify(part)} has more than one step`);
  if (range === "*") return { start: field.low, end: field.high, step: parseStep(step, part, field) };
  const [from = "", to, ...more] = range.split("-");
  if (more.length > 0) throw refuse(`${field.name}: ${JSON.stringify(part)} is no range`);
  const start = parseValue(from, part, field);
  if (to === undefined) {
    // cronie refuses it too; others read it as n, or as n to the field's end.
    if (step !== undefined)
      throw refuse(`${field.name}: the step of ${JSON.stringify(part)} needs a range: ${from}-${field.high}/${step}`);
    return { start, end: start, step: 1 };
  }
  // A week may end with its Sunday, by name too.
  const named = parseValue(to, part, field);
  const end = field === WEEKDAY && named === 0 && start > 0 && to !== "0" ? 7 : named;
  if (end < start) {
    const around = [writeRange(start, field === WEEKDAY ? 6 : field.high), writeRange(field.low, end)].join(",");
    const instead = step === undefined ? `write ${around}` : "write two ranges";
    throw refuse(`${field.name}: the range ${JSON.stringify(range)} runs backwards: ${instead}`);
  }
  return { start, end, step: parseStep(step, part, field) };
}

function writeRange(start: number, end: number): string {
  return start === end ? String(start) : `${start}-${end}`;
}

/** Refuses a step that leaves only the first number: whoever writes one means something else, such as every 90 minutes. */
function checkStep(part: string, field: Field): void {
  const { start, end, step } = parsePart(part, field);
  if (step === 1 || step <= end - start) return;
  const { name, unit, low, high } = field;
  const [isWhole, days] = [start === low && end === high, { m: step / 1440, h: step / 24, d: step }];
  const interval =
    isWhole && unit !== undefined && days[unit[1]] <= MAX_DURATION_MS / DAY_MS
      ? `; for every ${step} ${unit[0]} use \`trigger_type: interval\` with \`every: ${step}${unit[1]}\``
      : "";
  const where = `its ${isWhole ? "field" : "range"}, ${start} to ${end}`;
  throw refuse(
    `${name}: the step of ${JSON.stringify(part)} is beyond ${where}, and leaves ${start} alone: write ${start}${interval}`,
  );
}

function parseStep(text: string | undefined, part: string, { name }: Field): number {
  if (text === undefined) return 1;
  if (!/^\d+$/.test(text)) throw refuse(`${name}: the step of ${JSON.stringify(part)} is no number`);
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
  const [foreign] = /[W?+]/i.exec(text) ?? /[L#]/i.exec(text) ?? [];
  if (foreign !== undefined && !/^[A-Z]{3,}$/i.test(text))
    throw refuse(`${name}: ${JSON.stringify(part)}: ${FOREIGN[foreign.toUpperCase()]}`);
  const expected = names === undefined ? "a number" : `a number or a name such as ${names[1]}`;
  throw refuse(`${name}: expected ${expected}, received ${JSON.stringify(text)}`);
}

function count({ start, end, step }: Range): number[] {
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
