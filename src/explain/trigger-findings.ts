/** What the trigger of an activity asked of an event and found, asked anew with the version that decided. Pure. */
import { compileTrigger } from "../definition/activity.ts";
import { compileFlow } from "../definition/flow.ts";
import { type EventEnvelope, toEventValue } from "../event/envelope.ts";
import { createTriggerCheck, type Refusal } from "../event/match.ts";
import { checkCondition, type Expression } from "../expression/expression.ts";
import { findFlowKey } from "../flow/gate-key.ts";
import { describeError } from "../kernel/errors.ts";
import { lookAtFilters } from "../match/filter.ts";
import { matchesType } from "../match/type-pattern.ts";
import type { Reached, TriggerFindings } from "./event-explanation.ts";
import { type ActivityHistory, candidatesAt, type Version } from "./explained-activity.ts";
import { shorten } from "./explained-run.ts";

/** What a version does with an event: why it does not run; undefined: it runs. */
export type Answer = Refusal["reason"] | "other_type" | "no_events" | "disabled" | undefined;

/** Undefined for a version that has no event trigger. */
function matcherOf({ body: { trigger_config } }: Version) {
  return trigger_config.trigger_type === "event" ? compileTrigger(trigger_config) : undefined;
}

/** What a replay of the event would come to by the version: dedupe keys and windows are passed by (replay/match-again.ts). */
export function askVersion(version: Version, envelope: EventEnvelope): Answer {
  const matcher = matcherOf(version);
  if (matcher === undefined) return "no_events";
  if (!matchesType(matcher.event_type, envelope.type)) return "other_type";
  const refusal = createTriggerCheck(envelope)(matcher);
  if (refusal !== undefined) return refusal.reason;
  if (!version.body.enabled) return "disabled";
  try {
    findFlowKey(compileFlow(version.body.flow ?? undefined), envelope);
    return undefined;
  } catch {
    return "failed_expression";
  }
}

/**
 * The version that decided is the one in force when the event was recorded, or the one before, which the router may have known
 * still. It is taken for that only where it says what is recorded; else undefined.
 */
export function findTrigger(
  history: ActivityHistory,
  recordedAt: Date,
  { outcome, reason }: Pick<Reached, "outcome" | "reason">,
  envelope: EventEnvelope,
): TriggerFindings | undefined {
  if (outcome !== "filtered" && outcome !== "failed_expression") return undefined;
  for (const version of candidatesAt(history, recordedAt)) {
    const matcher = matcherOf(version);
    if (matcher === undefined) continue;
    const refusal = createTriggerCheck(envelope)(matcher);
    if (refusal?.reason !== outcome || refusal.detail !== reason) continue;
    const filters = lookAtFilters(matcher.filters, envelope.payload);
    const isAsked = filters.every(({ holds }) => holds);
    const condition = isAsked && matcher.when ? askCondition(matcher.when, envelope) : null;
    return { version: version.version, filters, condition };
  }
  return undefined;
}

function askCondition(when: Expression, envelope: EventEnvelope): NonNullable<TriggerFindings["condition"]> {
  const expression = shorten(when.text);
  try {
    return { expression, ...checkCondition(when, { event: toEventValue(envelope) }) };
  } catch (error) {
    return { expression, holds: null, explanation: shorten(describeError(error)) };
  }
}
