/**
 * Whether something that asks for an occurrence makes a run. Every reason why it does not is decided here; how late a due
 * time may be, in judge-due-time.ts. Pure.
 *
 * The router judges an event when it records it. A workflow's start is judged once more with its claim, because the
 * definition may have changed in between, and because a due time may come late.
 */
import type { SkipReason } from "../calendar/misfire.ts";
import type { Activity } from "../definition/activity.ts";
import type { Segment } from "./due-facts.ts";
import { judgeStart } from "./judge-due-time.ts";
import type { TriggerEvent } from "./trigger-event.ts";

export type Verdict = { do: "run" } | { do: "skip"; reason: SkipReason | "filtered" | "deleted"; detail?: string };

/** What a late start is judged by. */
export interface StartFacts {
  /** What the definition said when it was due, and since then. It may give way to a due time that only a later version has. */
  segments: readonly Segment[];
  now: Date;
}

/** @param facts needed for an event with a due time only */
export function judge(
  event: TriggerEvent,
  { trigger, enabled, deleted }: Pick<Activity, "trigger" | "enabled" | "deleted">,
  facts?: StartFacts,
): Verdict {
  const refusal = trigger.type === "event" ? event.findRefusal?.(trigger.filters) : undefined;
  if (refusal !== undefined) return { do: "skip", reason: "filtered", detail: refusal };
  if (deleted) return { do: "skip", reason: "deleted" };
  if (!enabled && !isAskedFor(event)) return { do: "skip", reason: "disabled" };
  const reason = event.due && facts && judgeStart(facts.segments, event.due, facts.now);
  return reason === undefined ? { do: "run" } : { do: "skip", reason };
}

/** Somebody asks for it by hand, which is reason enough to run a disabled activity. */
function isAskedFor({ kind, trigger }: TriggerEvent): boolean {
  return kind === "manual" || kind === "rerun" || trigger === "backfill";
}
