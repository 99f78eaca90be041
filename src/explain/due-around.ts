/** The due times around an instant, by the versions that were in force. Pure. */
import { compileCalendar } from "../calendar/calendar.ts";
import { dueTimes, timesToRun } from "../calendar/due-times.ts";
import { previousDueTime } from "../calendar/previous-due-time.ts";
import { DAY_MS } from "../calendar/wall-times.ts";
import type { Segment } from "../occurrence/due-facts.ts";
import type { DueAround } from "./due-time-explanation.ts";
import type { ActivityHistory } from "./explained-activity.ts";

/** How far the next due time is looked for: beyond leap days, and not for ever. */
const AHEAD_MS = 30 * 366 * DAY_MS;

/** The last version goes on until `until`, unless the definition was deleted before. */
function segmentsOfHistory({ versions, deleted_at }: ActivityHistory, until: Date): Segment[] {
  const end = deleted_at ?? until;
  return versions.map(({ written_at, body: { trigger_config: trigger, enabled } }, index) => ({
    from: written_at,
    until: versions[index + 1]?.written_at ?? end,
    calendar: trigger.trigger_type === "event" ? undefined : compileCalendar(trigger),
    enabled,
  }));
}

/** A due time belongs to the version that was written before it. */
export function findDueAround(history: ActivityHistory, at: Date): DueAround {
  const segments = segmentsOfHistory(history, new Date(at.getTime() + AHEAD_MS));
  const segment = segments.find(({ from, until }) => from < at && at <= until);
  const before = new Date(at.getTime() - 1);
  const [due] = segment?.calendar === undefined ? [] : dueTimes(segment.calendar, before, at);
  return { segment, due, previous: findPrevious(segments, before), next: findNext(segments, at) };
}

function findPrevious(segments: readonly Segment[], until: Date): Date | undefined {
  for (const segment of segments.toReversed()) {
    const end = segment.until < until ? segment.until : until;
    if (segment.calendar === undefined || segment.from >= end) continue;
    const found = previousDueTime(segment.calendar, segment.from, end);
    if (found !== undefined) return found.at;
  }
  return undefined;
}

function findNext(segments: readonly Segment[], after: Date): Date | undefined {
  for (const { from, until, calendar } of segments) {
    if (calendar === undefined || until <= after) continue;
    const { value, done } = timesToRun(calendar, from > after ? from : after, until).next();
    if (!done) return value;
  }
  return undefined;
}
