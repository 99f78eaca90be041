/**
 * Which activities a recorded event would reach now, and what a replay makes of each. Somebody asks for it: dedupe keys and windows
 * are passed by; the gates of its activity count a replay as any run. Pure.
 */
import type { EventEnvelope } from "../event/envelope.ts";
import { createTriggerCheck, describeFailure, type Subscription, type SubscriptionIndex } from "../event/match.ts";
import type { ActivityOutcome } from "../event/outcome.ts";
import { findFlowKey } from "../flow/gate-key.ts";
import { stableTraceId } from "../kernel/stable-id.ts";
import { judge, type TriggerEvent } from "../occurrence/judge.ts";
import type { WantedReplay } from "./replay-ledger.ts";

export interface MatchedAgain {
  activity_id: string;
  activity_name: string;
  /** The version that was asked, which the run uses. */
  version: number;
  outcome: Extract<ActivityOutcome, "run" | "queued" | "filtered" | "failed_expression" | "skipped">;
  /** Why it does not run. */
  reason?: string;
  /** By which the gates of the activity count it; of `queued` only. */
  flow_key?: string;
}

/** One for each activity that waits for the event's type, evaluated as the next one is asked for. */
export function* matchAgain(index: SubscriptionIndex, envelope: EventEnvelope): Generator<MatchedAgain> {
  const { event_id, type } = envelope;
  const findRefusal = createTriggerCheck(envelope);
  const event: TriggerEvent = { kind: "replay", key: event_id, trigger: "replay", event_id, findRefusal };
  for (const subscription of index.find(type)) {
    const { id: activity_id, name: activity_name, version } = subscription;
    const reached = { activity_id, activity_name, version };
    const verdict = judge(event, subscription);
    if (verdict.do === "run") yield { ...reached, ...placeInLine(subscription, envelope) };
    else {
      const { reason, detail = reason } = verdict;
      const isRefused = reason === "filtered" || reason === "failed_expression";
      yield { ...reached, outcome: isRefused ? reason : "skipped", reason: detail };
    }
  }
}

/** Whether it runs, at once or when the gates let it in. */
export function isToRun({ outcome }: Pick<MatchedAgain, "outcome">): boolean {
  return outcome === "run" || outcome === "queued";
}

/** Of a match that is to run. */
export function toWanted(match: MatchedAgain, envelope: EventEnvelope): WantedReplay {
  const { activity_id, activity_name, version, flow_key = null } = match;
  const { event_id, trace_id = stableTraceId(event_id) } = envelope;
  return { activity_id, activity_name, version, event_id, trace_id, flow_key };
}

function placeInLine(
  { flow }: Subscription,
  envelope: EventEnvelope,
): Pick<MatchedAgain, "outcome" | "reason" | "flow_key"> {
  try {
    const flow_key = findFlowKey(flow, envelope);
    return flow_key === undefined ? { outcome: "run" } : { outcome: "queued", flow_key };
  } catch (error) {
    return { outcome: "failed_expression", reason: describeFailure(error) };
  }
}
