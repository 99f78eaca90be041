/**
 * Parts of a timestamp, and `strftime`. Without a zone they are of UTC, whatever zone the machine has; a zone is a name of
 * the IANA database or an offset such as +02:00.
 */
import { CelScalar, type CelValue, celFunc, celMethod, objectType } from "@bufbuild/cel";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { createClock } from "../../calendar/time-zone.ts";
import { createRecentlyUsed } from "../../kernel/recently-used.ts";
import { spend } from "../budget.ts";
import { ExpressionError } from "../expression-error.ts";
import { checkLength } from "./texts.ts";

const { INT, STRING } = CelScalar;
const TIMESTAMP = objectType(TimestampSchema);

type Clock = (instant: number) => number;

/** What clocks show, as if it were UTC, and what they are ahead of it, in milliseconds. */
interface Local {
  date: Date;
  offset: number;
}

const DAY_MS = 86_400_000;
/** Zones did not exist before, and Intl writes earlier years otherwise. */
const FIRST_INSTANT = Date.UTC(1800, 0, 1);
const MAX_CLOCKS = 50;

const clocks = createRecentlyUsed<Clock>(MAX_CLOCKS);

const PARTS: Readonly<Record<string, (date: Date) => number>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDate: (date) => date.getUTCDate(),
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDayOfWeek: (date) => date.getUTCDay(),
  getDayOfYear: dayOfYear,
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
};

export const timeFunctions = [
  ...Object.entries(PARTS).flatMap(([name, read]) => [
    celMethod(name, TIMESTAMP, [], INT, function () {
      return BigInt(read(toLocal(this, "UTC").date));
    }),
    celMethod(name, TIMESTAMP, [STRING], INT, function (zone) {
      return BigInt(read(toLocal(this, zone).date));
    }),
  ]),
  celFunc("strftime", [TIMESTAMP, STRING], STRING, (time, pattern) => strftime(toLocal(time, "UTC"), pattern)),
  celFunc("strftime", [TIMESTAMP, STRING, STRING], STRING, (time, pattern, zone) =>
    strftime(toLocal(time, zone), pattern),
  ),
];

/** @throws ExpressionError for what is neither a name of IANA nor an offset */
export function checkZone(zone: string): void {
  clockOf(zone);
}

/** @throws ExpressionError for a letter behind % that means nothing */
export function checkTimePattern(pattern: string): void {
  for (const [whole, letter] of pattern.matchAll(DIRECTIVE))
    if (letter === undefined || !Object.hasOwn(LETTERS, letter))
      throw new ExpressionError(
        `${whole} means nothing in a pattern of strftime(): there is %${Object.keys(LETTERS).join(" %")}`,
      );
}

function toLocal(time: CelValue, zone: string): Local {
  spend(zone === "UTC" ? 10 : 60);
  const { seconds, nanos } = (time as ReflectMessage & { message: Timestamp }).message;
  const instant = Number(seconds) * 1000 + Math.floor(nanos / 1_000_000);
  const offset = zone === "UTC" ? 0 : clockOf(zone)(Math.max(Math.floor(instant / 1000) * 1000, FIRST_INSTANT));
  return { date: new Date(instant + offset), offset };
}

function clockOf(zone: string): Clock {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (fixed !== null) {
    const [, sign, hours, minutes] = fixed;
    const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -60_000 : 60_000);
    return () => offset;
  }
  return clocks.get(zone) ?? clocks.put(zone, createNamedClock(zone));
}

function createNamedClock(zone: string): Clock {
  spend(1000);
  try {
    return createClock(zone);
  } catch {
    const shown = JSON.stringify(zone.slice(0, 40).toWellFormed());
    throw new ExpressionError(`${shown} is no time zone: write one such as Europe/Paris, UTC or +02:00`);
  }
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];
const DIRECTIVE = /%([\s\S])?/g;

/** As in C, with %f for microseconds and %L for milliseconds. */
const LETTERS: Readonly<Record<string, (local: Local) => string>> = {
  Y: ({ date }) => pad(date.getUTCFullYear(), 4),
  y: ({ date }) => pad(date.getUTCFullYear() % 100, 2),
  m: ({ date }) => pad(date.getUTCMonth() + 1, 2),
  d: ({ date }) => pad(date.getUTCDate(), 2),
  e: ({ date }) => String(date.getUTCDate()).padStart(2),
  H: ({ date }) => pad(date.getUTCHours(), 2),
  I: ({ date }) => pad(date.getUTCHours() % 12 || 12, 2),
  M: ({ date }) => pad(date.getUTCMinutes(), 2),
  S: ({ date }) => pad(date.getUTCSeconds(), 2),
  L: ({ date }) => pad(date.getUTCMilliseconds(), 3),
  f: ({ date }) => pad(date.getUTCMilliseconds() * 1000, 6),
  p: ({ date }) => (date.getUTCHours() < 12 ? "AM" : "PM"),
  A: ({ date }) => DAYS[date.getUTCDay()] as string,
  a: ({ date }) => (DAYS[date.getUTCDay()] as string).slice(0, 3),
  B: ({ date }) => MONTHS[date.getUTCMonth()] as string,
  b: ({ date }) => (MONTHS[date.getUTCMonth()] as string).slice(0, 3),
  h: ({ date }) => (MONTHS[date.getUTCMonth()] as string).slice(0, 3),
  j: ({ date }) => pad(dayOfYear(date) + 1, 3),
  u: ({ date }) => String(date.getUTCDay() || 7),
  w: ({ date }) => String(date.getUTCDay()),
  G: ({ date }) => pad(isoWeek(date).year, 4),
  V: ({ date }) => pad(isoWeek(date).week, 2),
  s: ({ date, offset }) => String(Math.floor((date.getTime() - offset) / 1000)),
  z: ({ offset }) => {
    const minutes = Math.floor(Math.abs(offset) / 60_000);
    return `${offset < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60), 2)}${pad(minutes % 60, 2)}`;
  },
  F: (local) => strftime(local, "%Y-%m-%d"),
  T: (local) => strftime(local, "%H:%M:%S"),
  R: (local) => strftime(local, "%H:%M"),
  D: (local) => strftime(local, "%m/%d/%y"),
  n: () => "\n",
  t: () => "\t",
  "%": () => "%",
};

function strftime(local: Local, pattern: string): string {
  checkLength(pattern.length * 5);
  checkTimePattern(pattern);
  spend(pattern.length * 2);
  return pattern.replace(DIRECTIVE, (_, letter: string) => (LETTERS[letter] as (local: Local) => string)(local));
}

function dayOfYear(date: Date): number {
  const start = new Date(date);
  start.setUTCMonth(0, 1);
  return Math.round((date.getTime() - start.getTime()) / DAY_MS);
}

/** A week belongs to the year that has its Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getTime() + (4 - (date.getUTCDay() || 7)) * DAY_MS);
  return { year: thursday.getUTCFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}

function pad(number: number, digits: number): string {
  return String(number).padStart(digits, "0");
}
