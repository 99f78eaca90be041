/** When a definition would be due next, as people read it. Pure. */

import { compileCalendar } from "../calendar/calendar.ts";
import { nextTimesToRun } from "../calendar/due-times.ts";
import { formatLocal } from "../calendar/time-zone.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import { TerminalError } from "../kernel/errors.ts";

export interface PreviewedDueTime {
  /** The instant, in RFC 3339 with milliseconds and Z: it names the due time in the ledger. */
  scheduled_for: string;
  /** What the clocks of the trigger's zone show then, with their offset. */
  local: string;
}

/** `preview` and `next` show so many at most. */
export const MAX_PREVIEWED = 1000;
export const DEFAULT_PREVIEWED = 10;

/**
 * The next `count` due times after `now` that are to run, whether the definition is enabled or not; fewer where there
 * are no more.
 * @throws TerminalError `no_due_times` for a trigger that waits for events
 */
export function previewDueTimes(
  { name, trigger_config: trigger }: Pick<DefinitionBody, "name" | "trigger_config">,
  now: Date,
  count: number,
): PreviewedDueTime[] {
  if (trigger.trigger_type === "event")
    throw new TerminalError("no_due_times", `${name} waits for events of the type ${trigger.event_type}`, {
      hint: "due times have the triggers cron, interval and scheduled",
    });
  const calendar = compileCalendar(trigger);
  return nextTimesToRun(calendar, now, count).map((at) => ({
    scheduled_for: at.toISOString(),
    local: formatLocal(at, calendar.zone),
  }));
}
