/** What a crontab's time means: sets of numbers, and which days of a month they name. Pure. */

/** Each array is sorted and without doubles. Those of numbers are not empty, but for days where others stand in their place. */
export interface CronFields {
  minutes: readonly number[];
  hours: readonly number[];
  /** Of the month, from 1. */
  days: readonly number[];
  /** So many days before the month's last one: 0 is `L`, 3 is `L-3`. Absent where there are none. */
  daysBeforeLast?: readonly number[];
  /** From 1, January. */
  months: readonly number[];
  /** From 0, Sunday, to 6. */
  weekdays: readonly number[];
  /** `FRI#2` and `FRIL`. Absent where there are none. */
  nthWeekdays?: readonly NthWeekday[];
  /** Neither day field begins with `*`: a day matches when EITHER does; else when both do. */
  either: boolean;
  /** The minute or the hour field begins with `*`: it runs by the clock, also on a day when the clock changes. */
  wildcard: boolean;
}

export interface NthWeekday {
  weekday: number;
  /** From 1, the first one of a month, to 5, which few months have; or the last one. */
  nth: number | "last";
}

/** How many days a month may have. */
export const MONTH_LENGTHS: readonly (readonly number[])[] = [31, [28, 29], 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].map(
  (length) => [length].flat(),
);

/** Of the month, in one that has `length` days: those that the day-of-month field names. */
export function daysInMonth({ days, daysBeforeLast = [] }: CronFields, length: number): number[] {
  const fromEnd = daysBeforeLast.map((before) => length - before).filter((day) => day > 0);
  return [...new Set([...days, ...fromEnd])].sort((a, b) => a - b);
}

/** The first and the last day on which the nth of any weekday may fall; there is none where the first is beyond `length`. */
export function rangeOfNth(nth: NthWeekday["nth"], length: number): [first: number, last: number] {
  return nth === "last" ? [length - 6, length] : [nth * 7 - 6, Math.min(nth * 7, length)];
}

/** Whether the fields name this day, in UTC, of one of their months. */
export function isDayOf(fields: CronFields, date: Date): boolean {
  const { days, daysBeforeLast, weekdays, nthWeekdays, either } = fields;
  const [day, weekday] = [date.getUTCDate(), date.getUTCDay()];
  let [isDay, isWeekday] = [days.includes(day), weekdays.includes(weekday)];
  if (daysBeforeLast !== undefined || nthWeekdays !== undefined) {
    const length = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
    isDay ||= daysBeforeLast?.includes(length - day) === true;
    isWeekday ||=
      nthWeekdays?.some((one) => one.weekday === weekday && isWithin(day, rangeOfNth(one.nth, length))) === true;
  }
  return either ? isDay || isWeekday : isDay && isWeekday;
}

/** Whether there is a day that the fields name, in any year. */
export function hasDay(fields: CronFields): boolean {
  const { months, weekdays, nthWeekdays = [], either } = fields;
  if (either) return true;
  return months
    .flatMap((month) => MONTH_LENGTHS[month - 1] ?? [])
    .some((length) => {
      const days = daysInMonth(fields, length).filter((day) => day <= length);
      if (weekdays.length > 0) return days.length > 0;
      return nthWeekdays.some(({ nth }) => days.some((day) => isWithin(day, rangeOfNth(nth, length))));
    });
}

function isWithin(day: number, [first, last]: readonly [number, number]): boolean {
  return first <= day && day <= last;
}
