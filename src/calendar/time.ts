/**
 * Times as users write them, in definitions, events, queries, bodies and on the command line: RFC 3339 with its offset.
 * The same text is the same instant on every machine. The seconds, and the colon of the offset, may be left out.
 * A trigger's times may go without an offset (local-time.ts).
 */
import { type TString, Type } from "@sinclair/typebox";

const WALL = "(\\d{4}-\\d\\d-\\d\\d)[Tt ](\\d\\d:\\d\\d)(?::(\\d\\d)(?:\\.(\\d+))?)?";
const OFFSET = "(?:[Zz]|([+-])(\\d\\d):?(\\d\\d))";
const PATTERN = `^${WALL}${OFFSET}$`;
/** The offset may be missing. */
export const LOCAL_PATTERN = `^${WALL}${OFFSET}?$`;
const TIME = new RegExp(PATTERN);
const MINUTE_MS = 60_000;
export const MAX_LENGTH = 64;

/** What an error says in place of a text that is no time. */
export const EXPECTED_TIME = "a time with its offset, such as 2026-12-24T18:00:00Z";

/** The schema of a time. What it accepts may still be no date, as the 30th of February is none. */
export const TimeSchema = (description: string, expected = EXPECTED_TIME): TString =>
  Type.String({
    maxLength: MAX_LENGTH,
    pattern: PATTERN,
    description: `RFC 3339 with its offset; ${description}`,
    examples: ["2026-12-24T18:00:00Z"],
    expected,
  });

/** The instant, what is finer than a millisecond cut off; undefined where there is no such time. */
export function parseTime(text: string): Date | undefined {
  const [, day, clock, seconds = "00", fraction = "", sign, hours = "00", minutes = "00"] = TIME.exec(text) ?? [];
  if (day === undefined || text.length > MAX_LENGTH || hours > "23" || minutes > "59") return undefined;
  const wall = `${day}T${clock}:${seconds}.${fraction.slice(0, 3).padEnd(3, "0")}Z`;
  const asUtc = new Date(wall);
  // Date takes the 30th of February for a day of March: a text that does not come back the same is no date.
  if (Number.isNaN(asUtc.getTime()) || asUtc.toISOString() !== wall) return undefined;
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
  return new Date(asUtc.getTime() - (sign === "-" ? -offsetMs : offsetMs));
}
