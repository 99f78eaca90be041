/** By which key the gates of an activity count a run. Pure. */
import { type Flow, isGated } from "../definition/flow.ts";
import { type EventEnvelope, toEventValue } from "../event/envelope.ts";
import { evaluateKey } from "./flow-key.ts";

/** What is counted together where the gates have no key, or the run has no event. No key of an expression has this text. */
export const NO_KEY = "";

/** Undefined where the activity has no gates: its runs begin at once. @throws ExpressionError */
export function findFlowKey(flow: Flow | undefined, event: EventEnvelope | undefined): string | undefined {
  if (!isGated(flow)) return undefined;
  const key = flow?.maxConcurrent?.key ?? flow?.rateLimit?.key;
  if (key === undefined || event === undefined) return NO_KEY;
  return evaluateKey(key, { event: toEventValue(event) }) ?? "null";
}
