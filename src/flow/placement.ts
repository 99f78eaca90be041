/** What becomes of an event that passes the trigger of an activity: a run at once, a member of a window, or a run that waits. Pure. */
import type { Activity } from "../definition/activity.ts";
import { type Collector, type Flow, MAX_WINDOW_EVENTS } from "../definition/flow.ts";
import { type EventEnvelope, toEventValue } from "../event/envelope.ts";
import { describeFailure, type Match, type WindowRule } from "../event/match.ts";
import type { Values } from "../expression/scope.ts";
import { evaluateKey } from "./flow-key.ts";
import { findFlowKey, NO_KEY } from "./gate-key.ts";

/** The part of a match that the flow of its activity decides. The ledger makes it a `duplicate` where the dedupe key is taken. */
export type Placement = Omit<Match, "activity_id" | "activity_name">;

const AT_ONCE: Placement = { outcome: "run" };

/** Places one event for one activity after the other. A key that fails is its activity's failure alone. */
export function createPlacing(
  envelope: EventEnvelope,
): (activity: Pick<Activity, "version" | "flow" | "dedupe">) => Placement {
  let values: Values | undefined;
  return ({ version, flow, dedupe }) => {
    if (flow === undefined && dedupe === undefined) return AT_ONCE;
    values ??= { event: toEventValue(envelope) };
    try {
      // An event without a dedupe key is the same occasion as those of its id.
      const dedupe_key = dedupe && evaluateKey(dedupe.key, values);
      return {
        ...(dedupe && dedupe_key !== undefined && { dedupe_key, dedupe_ms: dedupe.windowMs ?? null }),
        ...placeInFlow(flow, version, envelope, values),
      };
    } catch (error) {
      return { outcome: "failed_expression", reason: describeFailure(error) };
    }
  };
}

function placeInFlow(flow: Flow | undefined, version: number, event: EventEnvelope, values: Values): Placement {
  const collector = flow?.collector;
  if (collector !== undefined) {
    const flow_key = collector.key === undefined ? NO_KEY : (evaluateKey(collector.key, values) ?? "null");
    return { outcome: "collected", flow_key, window: windowRuleOf(collector) };
  }
  const flow_key = findFlowKey(flow, event);
  return flow_key === undefined ? AT_ONCE : { outcome: "queued", flow_key, version };
}

/** When a window of the collector closes: a batch is one that only its age or its size ends. */
function windowRuleOf(collector: Collector): WindowRule {
  const { kind } = collector;
  if (kind === "batch")
    return { kind, quiet_ms: collector.withinMs, max_wait_ms: collector.withinMs, max_events: collector.size };
  return { kind, quiet_ms: collector.quietMs, max_wait_ms: collector.maxWaitMs, max_events: MAX_WINDOW_EVENTS };
}
