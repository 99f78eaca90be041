/** The wall times that a crontab's fields name: what clocks show, in milliseconds, as if it were UTC. */
import { type CronFields, isDayOf } from "./cron-fields.ts";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** In order, from `from` to `to`, both included; computed as it is read. */
export function* wallTimes(fields: CronFields, from: number, to: number): Generator<number> {
  for (let day = startOfDay(from); day <= to; ) {
    const date = new Date(day);
    if (!fields.months.includes(date.getUTCMonth() + 1)) {
      day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
      continue;
    }
    if (isDayOf(fields, date)) yield* timesOfDay(fields, day, from, to);
    day += DAY_MS;
  }
}

/** Whether the fields name some time of the day on which `wall` lies. */
export function isOnDayOf(fields: CronFields, wall: number): boolean {
  const date = new Date(wall);
  return fields.months.includes(date.getUTCMonth() + 1) && isDayOf(fields, date);
}

export function startOfDay(wall: number): number {
  return Math.floor(wall / DAY_MS) * DAY_MS;
}

function* timesOfDay({ hours, minutes }: CronFields, day: number, from: number, to: number): Generator<number> {
  for (const hour of hours) {
    const start = day + hour * HOUR_MS;
    if (start + HOUR_MS <= from) continue;
    for (const minute of minutes) {
      const wall = start + minute * MINUTE_MS;
      if (wall > to) return;
      if (wall >= from) yield wall;
    }
  }
}
