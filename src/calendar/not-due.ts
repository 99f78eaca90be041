/** Why an instant is no due time of a calendar, in words that name the field or the bound that leaves it out. Pure. */
import type { Calendar, CronCalendar } from "./calendar.ts";
import { type CronFields, isDayOf } from "./cron-fields.ts";
import { dueTimes } from "./due-times.ts";
import { formatLocal } from "./time-zone.ts";
import { HOUR_MS, MINUTE_MS } from "./wall-times.ts";

/** What leaves an instant out. `expressions`: each of several cron expressions does, for reasons of its own. */
export const NOT_DUE_FIELDS = [
  "starts_at",
  "ends_at",
  "run_at",
  "every",
  "second",
  "minute",
  "hour",
  "day",
  "month",
  "repeated_hour",
  "expressions",
] as const;

export interface NotDue {
  field: (typeof NOT_DUE_FIELDS)[number];
  /** A part of a sentence, such as `its hour field does not name 10 o'clock`. */
  words: string;
}

/** A clock change so close to the instant is told with the reason. */
const NEAR_CHANGE_MS = 3 * HOUR_MS;
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July"],
  ...["August", "September", "October", "November", "December"],
];

/** Undefined where the instant is a due time, whether or not it is to run. */
export function findNotDue(calendar: Calendar, at: Date): NotDue | undefined {
  if (!dueTimes(calendar, new Date(at.getTime() - 1), at).next().done) return undefined;
  const time = at.getTime();
  const { zone } = calendar;
  if (calendar.trigger_type === "scheduled") {
    const only = calendar.at === undefined ? "it is never due" : `it is due once, at ${formatLocal(calendar.at, zone)}`;
    return { field: "run_at", words: only };
  }
  const { startsAt, endsAt } = calendar;
  if (time < startsAt)
    return { field: "starts_at", words: `it begins at ${formatLocal(new Date(startsAt), zone)} (starts_at)` };
  if (time > endsAt) return { field: "ends_at", words: `it ended at ${formatLocal(new Date(endsAt), zone)} (ends_at)` };
  if (calendar.trigger_type === "interval")
    return { field: "every", words: "it lies between two times of its interval" };
  return findCronNotDue(calendar, time);
}

function findCronNotDue(calendar: CronCalendar, time: number): NotDue {
  const { crons, zone } = calendar;
  const wall = new Date(time + zone.offsetAt(time));
  if (time % MINUTE_MS !== 0) return { field: "second", words: "a cron expression is due at whole minutes only" };
  const [fields, ...others] = crons;
  if (fields === undefined || others.length > 0)
    return { field: "expressions", words: `none of its ${crons.length} cron expressions names that time` };
  const leftOut = findField(fields, wall);
  if (leftOut === undefined)
    return {
      field: "repeated_hour",
      words: "clocks showed that time twice, and a cron with a fixed minute and hour is due the first time only",
    };
  return { ...leftOut, words: `${leftOut.words}${describeChange(calendar, time)}` };
}

/** The widest field that does not name the wall time. */
function findField(fields: CronFields, wall: Date): NotDue | undefined {
  const month = wall.getUTCMonth();
  if (!fields.months.includes(month + 1))
    return { field: "month", words: `its month field does not name ${MONTHS[month]}` };
  if (!isDayOf(fields, wall)) {
    const day = `${WEEKDAYS[wall.getUTCDay()]} ${wall.getUTCDate()} ${MONTHS[month]}`;
    return { field: "day", words: `its day fields do not name ${day}` };
  }
  if (!fields.hours.includes(wall.getUTCHours()))
    return { field: "hour", words: `its hour field does not name ${wall.getUTCHours()} o'clock` };
  if (!fields.minutes.includes(wall.getUTCMinutes()))
    return { field: "minute", words: `its minute field does not name minute ${wall.getUTCMinutes()}` };
  return undefined;
}

/** What a clock change close by did to the times that it removed or repeated. */
function describeChange({ zone, crons, dst_gap }: CronCalendar, time: number): string {
  const [change] = zone.changes(time - NEAR_CHANGE_MS, time + NEAR_CHANGE_MS);
  if (change === undefined || crons.every(({ wildcard }) => wildcard)) return "";
  const at = formatLocal(new Date(change.at), zone);
  if (change.after < change.before) return `; clocks were put back at ${at}`;
  const gap = dst_gap === "skip" ? "is left out (dst_gap: skip)" : "is due at that moment";
  return `; clocks were put forward at ${at}, and what that removed ${gap}`;
}
