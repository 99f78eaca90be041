/** The time of a one-shot, in whole seconds. */

import { preview } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";
import { parseTime } from "./time.ts";
import type { ScheduleTrigger } from "./trigger.ts";

/** The instant; undefined where there is no such time, and where it is no whole second. */
export function parseRunAt(text: string): Date | undefined {
  return /\.\d*[1-9]/.test(text) ? undefined : parseTime(text);
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
  const at = parseRunAt(trigger.run_at);
  if (at === undefined || at > now) return undefined;
  const message = `${preview(trigger.run_at)} is past: ${consequence}`;
  return { path: "/trigger_config/run_at", message };
}
