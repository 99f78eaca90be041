/** Times as they come from outside. */

/** Undefined for what is none; `Date` alone makes the 2nd of March of the 30th of February. */
export function parseTime(text: string): Date | undefined {
  const day = new Date(text.slice(0, 10));
  const isDay = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10));
  const time = new Date(text);
  return isDay && !Number.isNaN(time.getTime()) ? time : undefined;
}
