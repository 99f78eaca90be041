/**
 * Whether something that asks for an occurrence makes a run. Every reason why it does not is decided here; how late a due
 * time may be, in judge-due-time.ts. Pure.
 *
 * The router judges an event when it records it. A workflow's start is judged once more with its claim, because the
 * definition may have changed in between, and because a due time may come late.
 */
import type { SkipReason } from "../calendar/misfire.ts";
import type { Activity, EventMatcher } from "../definition/activity.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import type { Refusal } from "../event/match.ts";
import type { RunTrigger } from "../run/run.ts";
import type { Segment } from "./due-facts.ts";
import { judgeStart } from "./judge-due-time.ts";
import type { OccurrenceKind } from "./occurrence.ts";

/** What asks for an occurrence, as the door through which it comes makes it. It is judged, then claimed. */
export interface TriggerEvent {
  kind: OccurrenceKind;
  /** Names the occurrence among those of its activity and kind. */
  key: string;
  /** What the run says it was started by. */
  trigger: RunTrigger;
  /** The run that was accepted for it: its occurrence and its row stand already. */
  run_id?: string;
  /** The event that the run is about. */
  event_id?: string;
  /** An event that somebody brings along, to be stored with the claim. */
  inline?: EventEnvelope;
  /**
   * Why the event does not pass the trigger; undefined where it does. The router sets it, because its event names no activity.
   * Whoever names the activity is not asked what its filters and its condition say.
   */
  findRefusal?: (trigger: EventMatcher) => Refusal | undefined;
  /** When the engine's schedule says that it was due: such a start may come too late. */
  due?: Date;
}

export type Verdict =
  | { do: "run" }
  | { do: "skip"; reason: SkipReason | Refusal["reason"] | "deleted"; detail?: string };

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
  const refusal = trigger.type === "event" ? event.findRefusal?.(trigger) : undefined;
  if (refusal !== undefined) return { do: "skip", ...refusal };
  if (deleted) return { do: "skip", reason: "deleted" };
  if (!enabled && !isAskedFor(event)) return { do: "skip", reason: "disabled" };
  const reason = event.due && facts && judgeStart(facts.segments, event.due, facts.now);
  return reason === undefined ? { do: "run" } : { do: "skip", reason };
}

/** Somebody asks for it by hand, which is reason enough to run a disabled activity. */
function isAskedFor({ kind, trigger }: TriggerEvent): boolean {
  return kind === "manual" || kind === "rerun" || trigger === "backfill";
}
