/** The last due time before an instant. `dueTimes` only goes forward, so the past is looked through in pieces, the newest first. Pure. */
import type { Calendar } from "./calendar.ts";
import { type DueTime, dueTimes } from "./due-times.ts";
import { DAY_MS, HOUR_MS } from "./wall-times.ts";

/** How long each piece is: a cron that is due often is found in a short one, and the last length is repeated. */
const PIECES_MS = [HOUR_MS, DAY_MS, 32 * DAY_MS];

/** The last one of `after < at <= until`, whether or not it is to run; undefined where there is none. */
export function previousDueTime(calendar: Calendar, after: Date, until: Date): DueTime | undefined {
  if (calendar.trigger_type === "scheduled") return [...dueTimes(calendar, after, until)].at(-1);
  const first = Math.max(after.getTime(), calendar.startsAt - 1);
  let end = Math.min(until.getTime(), calendar.endsAt);
  for (let piece = 0; end > first; piece++) {
    const pieceMs = calendar.trigger_type === "interval" ? calendar.everyMs : (PIECES_MS[piece] ?? 32 * DAY_MS);
    const start = Math.max(first, end - pieceMs);
    let last: DueTime | undefined;
    for (const due of dueTimes(calendar, new Date(start), new Date(end))) last = due;
    if (last !== undefined || calendar.trigger_type === "interval") return last;
    end = start;
  }
  return undefined;
}
