/**
 * Calendars as the engine takes them: sets of wall times. A time matches when every field does; a schedule of several
 * calendars is due when any of them matches.
 */
import type { Range } from "../calendar/cron-expression.ts";
import { type CronFields, daysInMonth, MONTH_LENGTHS, rangeOfNth } from "../calendar/cron-fields.ts";
import { DAY_MS, HOUR_MS, startOfDay } from "../calendar/wall-times.ts";

export interface CalendarSpec {
  /** Absent for every year. */
  years?: Range[];
  months: Range[];
  /** Days of the month. */
  days: Range[];
  /** From 0, Sunday, to 6. */
  weekdays: Range[];
  hours: Range[];
  minutes: Range[];
  seconds: Range[];
}

const EVERY_MONTH: Range[] = [{ start: 1, end: 12, step: 1 }];
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const SIXTY = Array.from({ length: 60 }, (_, number) => number);
const EVERY_DAY: Range[] = [{ start: 1, end: 31, step: 1 }];
const EVERY_WEEKDAY: Range[] = [{ start: 0, end: 6, step: 1 }];

/** In which the last of February is the 29th, and in which it is the 28th. */
const LEAP_YEARS: Range[] = [{ start: 2000, end: 2096, step: 4 }];
const COMMON_YEARS: Range[] = [
  { start: 2001, end: 2097, step: 4 },
  { start: 2002, end: 2098, step: 4 },
  { start: 2003, end: 2099, step: 4 },
  { start: 2100, end: 2100, step: 1 },
];

/** One calendar for plain fields; more for `L` and `#`, and for crontab's OR of the two day fields. */
export function cronCalendars(fields: CronFields): CalendarSpec[] {
  const times = { hours: toRanges(fields.hours), minutes: toRanges(fields.minutes), seconds: toRanges([0]) };
  return kindsOfMonths(fields).flatMap(({ length, ...months }) =>
    kindsOfDays(fields, length).map((days) => ({ ...months, ...days, ...times })),
  );
}

/** The months, apart by how long they are where the days depend on it. */
function kindsOfMonths(fields: CronFields): (Pick<CalendarSpec, "years" | "months"> & { length: number })[] {
  const { months, daysBeforeLast, nthWeekdays } = fields;
  const isSame = daysBeforeLast === undefined && !nthWeekdays?.some(({ nth }) => nth === "last");
  if (isSame) return [{ months: toRanges(months), length: 31 }];
  return [31, 30, 29, 28].flatMap((length) => {
    const those = months.filter((month) => MONTH_LENGTHS[month - 1]?.includes(length));
    const years = length === 29 ? LEAP_YEARS : length === 28 ? COMMON_YEARS : undefined;
    return those.length === 0 ? [] : [{ ...(years && { years }), months: toRanges(those), length }];
  });
}

/** The days of months of one length. crontab's OR takes a calendar for each of its sides: within one, both have to match. */
function kindsOfDays(fields: CronFields, length: number): Pick<CalendarSpec, "days" | "weekdays">[] {
  const { weekdays, nthWeekdays = [], either } = fields;
  const days = daysInMonth(fields, length);
  const kinds = either
    ? [
        { days: toRanges(days), weekdays: EVERY_WEEKDAY },
        { days: EVERY_DAY, weekdays: toRanges(weekdays) },
      ]
    : [{ days: toRanges(days), weekdays: toRanges(weekdays) }];
  for (const [nth, those] of Map.groupBy(nthWeekdays, ({ nth }) => nth)) {
    const [first, last] = rangeOfNth(nth, length);
    const week = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    const matching = either ? week : week.filter((day) => days.includes(day));
    const wanted = [...new Set(those.map(({ weekday }) => weekday))].sort((a, b) => a - b);
    kinds.push({ days: toRanges(matching), weekdays: toRanges(wanted) });
  }
  return kinds.filter(({ days, weekdays }) => days.length > 0 && weekdays.length > 0);
}

/** These minutes of every hour. */
export function hourlyCalendar(minutes: readonly number[]): CalendarSpec {
  return {
    months: EVERY_MONTH,
    days: EVERY_DAY,
    weekdays: EVERY_WEEKDAY,
    hours: toRanges(HOURS),
    minutes: toRanges(minutes),
    seconds: toRanges([0]),
  };
}

/** A calendar of this one second of UTC. */
export function datedCalendar(at: Date): CalendarSpec {
  const calendar = datedHours(at.getTime(), [at.getUTCHours()], [at.getUTCMinutes()]);
  return { ...calendar, seconds: toRanges([at.getUTCSeconds()]) };
}

/** Whole minutes of one day, as clocks show them: `wall` is some time of it, in milliseconds as if it were UTC. */
export function datedHours(wall: number, hours: readonly number[], minutes: readonly number[]): CalendarSpec {
  const date = new Date(wall);
  return {
    years: toRanges([date.getUTCFullYear()]),
    months: toRanges([date.getUTCMonth() + 1]),
    days: toRanges([date.getUTCDate()]),
    weekdays: EVERY_WEEKDAY,
    hours: toRanges(hours),
    minutes: toRanges(minutes),
    seconds: toRanges([0]),
  };
}

/** Whole days, as clocks show them: when each begins, in milliseconds as if it were UTC. A calendar for each month. */
export function datedDays(days: Iterable<number>): CalendarSpec[] {
  const dates = [...days].sort((a, b) => a - b).map((day) => new Date(day));
  const months = Map.groupBy(dates, (date) => date.toISOString().slice(0, 7));
  return [...months.values()].map((those) => ({
    ...datedHours((those[0] as Date).getTime(), HOURS, SIXTY),
    days: toRanges(those.map((date) => date.getUTCDate())),
    seconds: toRanges(SIXTY),
  }));
}

/** The minutes from `from` to before `until`, as clocks show them, in milliseconds as if it were UTC. It is longer than an hour. */
export function datedStretch(from: number, until: number): CalendarSpec[] {
  const [whole, parts]: [number[], CalendarSpec[]] = [[], []];
  const minuteOf = (wall: number) => new Date(wall).getUTCMinutes();
  if (minuteOf(from) > 0) parts.push(datedHours(from, [new Date(from).getUTCHours()], SIXTY.slice(minuteOf(from))));
  if (minuteOf(until) > 0)
    parts.push(datedHours(until, [new Date(until).getUTCHours()], SIXTY.slice(0, minuteOf(until))));
  const [first, last] = [Math.ceil(from / HOUR_MS), Math.floor(until / HOUR_MS)];
  for (let day = startOfDay(from); day < until; day += DAY_MS) {
    const hours = HOURS.filter((hour) => day / HOUR_MS + hour >= first && day / HOUR_MS + hour < last);
    if (hours.length === HOURS.length) whole.push(day);
    else if (hours.length > 0) parts.push(datedHours(day, hours, SIXTY));
  }
  return [...parts, ...datedDays(whole)];
}

/** Few ranges that together are exactly these numbers, which are sorted and without doubles. The end of each is one of them. */
export function toRanges(numbers: readonly number[]): Range[] {
  const ranges: Range[] = [];
  for (let index = 0; index < numbers.length; ) {
    const start = numbers[index] as number;
    const step = (numbers[index + 1] ?? start + 1) - start;
    let count = 1;
    while (numbers[index + count] === start + count * step) count++;
    // Two are a range only side by side: the second may begin a longer one.
    if (count === 2 && step > 1) count = 1;
    ranges.push({ start, end: start + (count - 1) * step, step: count === 1 ? 1 : step });
    index += count;
  }
  return ranges;
}
