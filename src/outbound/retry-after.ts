/** The header by which a receiver says when to try again. */

const LONGEST_MS = 86_400_000;
/** The three forms of a date in HTTP (RFC 9110 §5.6.7); the last one names no zone and means GMT. */
const DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
const OLD_DATE = /^[A-Z][a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;

/**
 * How long to wait, in milliseconds, at most a day. Undefined where the header names no time in the future (absent, zero,
 * a date that has passed, neither seconds nor a date): then the task's own retry policy decides.
 */
export function parseRetryAfter(header: string | null, nowMs = Date.now()): number | undefined {
  const text = header?.trim() ?? "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDate(text) - nowMs;
  return ms > 0 ? Math.min(ms, LONGEST_MS) : undefined;
}

/** Milliseconds since 1970, NaN when it is no date. */
function parseDate(text: string): number {
  if (DATE.test(text) || OLD_DATE.test(text)) return Date.parse(text);
  return ASCTIME_DATE.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
}
