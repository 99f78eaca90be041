/** The time of a one-shot. */

import { preview } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";
import { parseLocalTime } from "./local-time.ts";
import type { ScheduledTrigger, ScheduleTrigger } from "./trigger.ts";

/** The instant; undefined where there is no such time. */
export function parseRunAt({ run_at, timezone }: Pick<ScheduledTrigger, "run_at" | "timezone">): Date | undefined {
  return parseLocalTime(run_at, timezone);
}

/** Of a file, where it is not known whether its one-shot has fired. */
export const PAST_IN_FILE = "it stays valid where it has fired; a sync refuses it where it is new";

/**
 * The fault of a one-shot whose time is not in the future any more; undefined for every other trigger. It is asked
 * where a new time is written: a file, or a row, whose one-shot has fired stays valid.
 */
export function checkRunAt(
  trigger: ScheduleTrigger | { trigger_type: "event" },
  now: Date,
  consequence = "a one-shot runs once, in the future",
): Fault | undefined {
  if (trigger.trigger_type !== "scheduled") return undefined;
  const at = parseRunAt(trigger);
  if (at === undefined || at > now) return undefined;
  const message = `${preview(trigger.run_at)} is past: ${consequence}`;
  return { path: "/trigger_config/run_at", message };
}
