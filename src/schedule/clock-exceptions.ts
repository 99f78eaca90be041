/**
 * What the engine has to be told by date, because its calendars are wrong around clock changes.
 *
 * Measured on Temporal 1.32 (service/worker/scheduler/calendar.go), against due-times.ts in every zone:
 * - a gap is skipped: what it removes is never due;
 * - a repeated hour is right only where clocks are behind UTC. Elsewhere a time of the day fires in the second pass or an
 *   hour off, and a wildcard falls silent for both passes: Berlin loses two hours of `* * * * *`;
 * - a change by another amount than one hour is taken for one of an hour;
 * - where a gap removes midnight and clocks are behind UTC, the day has the weekday of the day before.
 * Intervals count seconds and are always right: each due time near a repeated hour, and the end of a gap, is told as an
 * interval that is as long as a life. Excluded calendars are right as well: they take away what is not due.
 */
import type { CronCalendar } from "../calendar/calendar.ts";
import type { CronFields } from "../calendar/cron-fields.ts";
import { gapRuns, timesToRun } from "../calendar/due-times.ts";
import type { ClockChange } from "../calendar/time-zone.ts";
import { DAY_MS, HOUR_MS, isOnDayOf, MINUTE_MS, startOfDay, wallTimes } from "../calendar/wall-times.ts";
import { type CalendarSpec, datedHours } from "./calendar-spec.ts";

export interface ClockExceptions {
  /** Instants that are due, whether or not the calendars say so. */
  instants: Date[];
  /** Calendars that are due besides. */
  calendars: CalendarSpec[];
  /** Calendars that are not due, whatever the others say. */
  excluded: CalendarSpec[];
}

const ALL_MINUTES = Array.from({ length: 60 }, (_, minute) => minute);

/** The exceptions that the clock changes after `from`, up to `until`, make necessary. */
export function planClockExceptions(calendar: CronCalendar, from: Date, until: Date): ClockExceptions {
  const found: ClockExceptions = { instants: gapRuns(calendar, from, until), calendars: [], excluded: [] };
  const { zone } = calendar;
  for (const change of zone.changes(from.getTime(), until.getTime())) {
    if (change.after < change.before) addRepeat(found, calendar, change);
    else addGap(found, calendar, change);
  }
  const instants = [...new Set(found.instants.map((at) => at.getTime()))].sort((a, b) => a - b);
  return { ...found, instants: instants.map((at) => new Date(at)) };
}

/**
 * For a cron of every hour of every day, which no clock change moves: its minutes in UTC. Undefined for any other, where
 * a change is not by whole hours, and in a zone without changes, whose own calendars are right.
 */
export function hourlyMinutes({ crons, zone }: CronCalendar, from: Date, until: Date) {
  if (!crons.every(isHourly)) return undefined;
  const shift = remainder(zone.offsetAt(from.getTime()));
  const changes = zone.changes(from.getTime(), until.getTime());
  if (changes.length === 0 || changes.some(({ after }) => remainder(after) !== shift)) return undefined;
  const minutes = new Set(crons.flatMap((fields) => fields.minutes));
  return [...minutes].map((minute) => (minute - shift / MINUTE_MS + 60) % 60).sort((a, b) => a - b);
}

function isHourly({ wildcard, hours, days, months, weekdays }: CronFields): boolean {
  return wildcard && hours.length === 24 && days.length === 31 && months.length === 12 && weekdays.length === 7;
}

/** For both passes, and for the hour after them, in which the engine fires by mistake. */
function addRepeat(
  { instants, excluded }: ClockExceptions,
  calendar: CronCalendar,
  { at, before, after }: ClockChange,
): void {
  const { crons } = calendar;
  const length = before - after;
  const [first, last] = [at - length - HOUR_MS, at + length + HOUR_MS - 1];
  const [from, to] = [first + before, last + after];
  if (!hasWallTimes(crons, from, to)) return;
  instants.push(...runsBetween(calendar, at - length, last));
  excluded.push(...othersThan(crons, from, to));
}

function addGap(
  { instants, calendars, excluded }: ClockExceptions,
  calendar: CronCalendar,
  { at, before, after }: ClockChange,
): void {
  const { crons } = calendar;
  const [from, to] = [at + before, at + after];
  const spared = instants.some((instant) => instant.getTime() === at) ? to : undefined;
  const midnight = startOfDay(to);
  if (midnight >= from && midnight < to) {
    const moved = crons.filter((fields) => !isEveryDay(fields));
    for (const fields of moved)
      if (isOnDayOf(fields, to)) calendars.push(datedHours(midnight, fields.hours, fields.minutes));
    if (!moved.every((fields) => isOnDayOf(fields, to)))
      excluded.push(...othersThan(crons, to, midnight + DAY_MS - 1, spared));
  }
  // The engine leaves out the hour in which a gap ends, or moves there what the gap removes.
  const isWhole = remainder(from) === 0 && remainder(to) === 0;
  if (isWhole || !hasWallTimes(crons, from, to + HOUR_MS - 1)) return;
  instants.push(...runsBetween(calendar, at, at + HOUR_MS - 1));
  excluded.push(...othersThan(crons, from, to + HOUR_MS - 1, spared));
}

/** From `first` to `last`, both included. */
function runsBetween(calendar: CronCalendar, first: number, last: number): Date[] {
  return timesToRun(calendar, new Date(first - 1), new Date(last)).toArray();
}

function hasWallTimes(crons: readonly CronFields[], from: number, to: number): boolean {
  return crons.some((fields) => !wallTimes(fields, from, to).next().done);
}

/** The whole hours around `[from, to]`, without the times of the crons and without `spared`. */
function othersThan(crons: readonly CronFields[], from: number, to: number, spared?: number): CalendarSpec[] {
  const groups = new Map<string, { day: number; hours: number[]; minutes: number[] }>();
  for (let hour = Math.floor(from / HOUR_MS) * HOUR_MS; hour <= to; hour += HOUR_MS) {
    const kept = crons
      .filter((fields) => isOnDayOf(fields, hour) && fields.hours.includes(new Date(hour).getUTCHours()))
      .flatMap((fields) => fields.minutes);
    const minutes = ALL_MINUTES.filter((minute) => !kept.includes(minute) && hour + minute * MINUTE_MS !== spared);
    if (minutes.length === 0) continue;
    const day = startOfDay(hour);
    const key = `${day} ${minutes}`;
    const group = groups.get(key) ?? { day, hours: [], minutes };
    group.hours.push((hour - day) / HOUR_MS);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ day, hours, minutes }) => datedHours(day, hours, minutes));
}

function isEveryDay({ days, weekdays, either }: CronFields): boolean {
  return weekdays.length === 7 || (either && days.length === 31);
}

/** The part of an offset beyond its whole hours; never negative. */
function remainder(offset: number): number {
  return ((offset % HOUR_MS) + HOUR_MS) % HOUR_MS;
}
