/** The time of a one-shot, as users write it: RFC 3339 with its offset, in whole seconds. */
import type { Fault } from "../errors.ts";
import { preview } from "./faults.ts";
import type { DefinitionBody } from "./schema.ts";

const PATTERN = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|[+-]\d\d:\d\d)$/;

/** The instant; undefined where there is no such time, and where it is no whole second. */
export function parseRunAt(text: string): Date | undefined {
  const [, day, clock, seconds = "00", fraction = "0", offset] = PATTERN.exec(text) ?? [];
  if (day === undefined || offset === undefined || !/^0+$/.test(fraction)) return undefined;
  const local = `${day}T${clock}:${seconds}`;
  const asUtc = new Date(`${local}Z`);
  // Date rolls the 30th of February over; what comes back another is no date.
  if (Number.isNaN(asUtc.getTime()) || asUtc.toISOString().slice(0, 19) !== local) return undefined;
  const at = new Date(`${local}${offset.toUpperCase()}`);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** Of a file, where it is not known whether its one-shot has fired. */
export const PAST_IN_FILE = "it stays valid where it has fired; a sync refuses it where it is new";

/**
 * The fault of a one-shot whose time is not in the future any more; undefined for every other trigger. It is asked
 * where a new time is written: a file, or a row, whose one-shot has fired stays valid.
 */
export function checkRunAt(
  trigger: DefinitionBody["trigger_config"],
  now: Date,
  consequence = "a one-shot runs once, in the future",
): Fault | undefined {
  if (trigger.trigger_type !== "scheduled") return undefined;
  const at = parseRunAt(trigger.run_at);
  if (at === undefined || at > now) return undefined;
  const message = `${preview(trigger.run_at)} is past: ${consequence}`;
  return { path: "/trigger_config/run_at", message };
}
