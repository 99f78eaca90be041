/**
 * A time of a trigger, in whole seconds: with its offset, or without one as the clocks of the trigger's `timezone` show it.
 *
 * What a clock change removes is the end of the gap, and of what it repeats the first pass counts, as for a cron's time of the
 * day.
 */
import { type TString, Type } from "@sinclair/typebox";
import { preview } from "../json/faults.ts";
import { EXPECTED_TIME, LOCAL_PATTERN, MAX_LENGTH, parseTime } from "./time.ts";
import { type TimeZone, timeZone } from "./time-zone.ts";

/** The engine's calendars begin and end with them. */
const [FIRST_YEAR, LAST_YEAR] = [2000, 2100];
/** No clock is as far from UTC, and none was ever moved by more. */
const FURTHEST_MS = 27 * 3_600_000;

/** The schema of such a time. What it accepts may still be no date, or lack the `timezone` that it needs. */
export const LocalTimeSchema = (description: string): TString =>
  Type.String({
    maxLength: MAX_LENGTH,
    pattern: LOCAL_PATTERN,
    description: `RFC 3339 with its offset, or without one as the clocks of \`timezone\` show it; ${description} In whole seconds.`,
    examples: ["2026-12-24T18:00:00+01:00", "2026-12-24T18:00"],
    expected: `${EXPECTED_TIME}, or without one beside a \`timezone\``,
  });

/** Undefined where there is no such time, it is no whole second, or it has no offset and there is no zone. */
export function parseLocalTime(text: string, timezone: string | undefined): Date | undefined {
  if (/\.\d*[1-9]/.test(text)) return undefined;
  if (hasOffset(text)) return parseTime(text);
  const wall = parseTime(`${text}Z`);
  return wall === undefined || timezone === undefined
    ? undefined
    : new Date(toInstant(wall.getTime(), timeZone(timezone)));
}

/** Why this is no time of a trigger, or undefined. The zone is known. */
export function describeLocalTimeFault(text: string, timezone: string | undefined): string | undefined {
  if (!hasOffset(text) && timezone === undefined)
    return `expected ${EXPECTED_TIME}, received ${preview(text)}; without an offset it needs a \`timezone\``;
  const at = parseLocalTime(text, timezone);
  if (at === undefined) return `${preview(text)} is no time in whole seconds: there is no such date or hour`;
  return describeYearFault(text, at);
}

/** Why this is no date, or undefined. It is written as one. */
export function describeDateFault(text: string): string | undefined {
  const at = parseTime(`${text}T00:00Z`);
  if (at === undefined) return `${preview(text)} is no date: there is none like it`;
  return describeYearFault(text, at);
}

function describeYearFault(text: string, at: Date): string | undefined {
  if (at.getUTCFullYear() < FIRST_YEAR) return `${preview(text)} is before ${FIRST_YEAR}, the first year known`;
  if (at.getUTCFullYear() > LAST_YEAR) return `${preview(text)} is after ${LAST_YEAR}, the last year known`;
  return undefined;
}

function hasOffset(text: string): boolean {
  return /(?:[Zz]|[+-]\d\d:?\d\d)$/.test(text.slice("2026-12-24".length));
}

/** The first instant at which clocks show `wall`, or the end of the gap that it lies in. */
export function toInstant(wall: number, zone: TimeZone): number {
  let from = wall - FURTHEST_MS;
  for (const change of zone.changes(from, wall + FURTHEST_MS)) {
    const at = wall - change.before;
    if (at < change.at) return at;
    if (wall < change.at + change.after) return change.at;
    from = change.at;
  }
  return wall - zone.offsetAt(from);
}
