/**
 * Calendars as the engine takes them: sets of wall times. A time matches when every field does; a schedule of several
 * calendars is due when any of them matches.
 */
import type { CronFields, Range } from "../calendar/cron-expression.ts";

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
const EVERY_HOUR: Range[] = [{ start: 0, end: 23, step: 1 }];
const EVERY_DAY: Range[] = [{ start: 1, end: 31, step: 1 }];
const EVERY_WEEKDAY: Range[] = [{ start: 0, end: 6, step: 1 }];

/** crontab's OR of the two day fields takes two calendars: within one, both would have to match. */
export function cronCalendars({ months, days, weekdays, hours, minutes, either }: CronFields): CalendarSpec[] {
  const calendar: CalendarSpec = {
    months: toRanges(months),
    days: toRanges(days),
    weekdays: toRanges(weekdays),
    hours: toRanges(hours),
    minutes: toRanges(minutes),
    seconds: toRanges([0]),
  };
  if (!either) return [calendar];
  return [
    { ...calendar, weekdays: EVERY_WEEKDAY },
    { ...calendar, days: EVERY_DAY },
  ];
}

/** These minutes of every hour. */
export function hourlyCalendar(minutes: readonly number[]): CalendarSpec {
  return {
    months: EVERY_MONTH,
    days: EVERY_DAY,
    weekdays: EVERY_WEEKDAY,
    hours: EVERY_HOUR,
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
