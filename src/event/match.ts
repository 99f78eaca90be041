/**
 * Which activities an event reaches: those that wait for its type. Whether it passes what their triggers ask beyond that is
 * one of the questions of occurrence/judge.ts. Pure; the caller keeps the index fresh (I4).
 */

import { type Activity, compileTrigger, type EventMatcher } from "../definition/activity.ts";
import { type Collector, compileDedupe, compileFlow, type DedupeInput, type FlowInput } from "../definition/flow.ts";
import type { EventTrigger } from "../definition/schema.ts";
import { checkCondition } from "../expression/expression.ts";
import type { Values } from "../expression/scope.ts";
import { describeError } from "../kernel/errors.ts";
import { inOneLine } from "../kernel/printable.ts";
import { createFilterCheck } from "../match/filter.ts";
import { createTypeIndex, type TypeIndex } from "../match/type-index.ts";
import { type EventEnvelope, toEventValue } from "./envelope.ts";
import type { ActivityOutcome, EventOutcome } from "./outcome.ts";

/** Characters that are kept of an error. */
const MAX_DETAIL = 1_000;

/** A live event definition as it is stored, as much of it as matching needs. */
export interface SubscriptionRow extends Pick<Activity, "id" | "name" | "enabled" | "version"> {
  trigger_config: EventTrigger;
  /** Null where the definition says nothing of it. */
  flow?: FlowInput | null;
  dedupe_key_strategy?: DedupeInput | null;
}

/** The same, compiled. */
export interface Subscription
  extends Pick<Activity, "id" | "name" | "enabled" | "deleted" | "version" | "flow" | "dedupe"> {
  trigger: EventMatcher;
}

/** By the types of events. */
export type SubscriptionIndex = TypeIndex<Subscription>;

/** An activity that the event's type reached, and what came of it. */
export interface Match {
  activity_id: string;
  activity_name: string;
  /** As it is intended: the ledger makes it `duplicate` where another event has the dedupe key. */
  outcome: ActivityOutcome;
  /** Why it does not run. */
  reason?: string;
  /** Names the occasion among those of its activity; absent where events of different ids are different occasions. */
  dedupe_key?: string;
  /** Milliseconds from its acceptance for which the event has the key; null: as long as keys are kept. */
  dedupe_ms?: number | null;
  /** What it is counted with: of a `collected` one the key of its window, of a `queued` one that of its run. */
  flow_key?: string;
  /** Of a `collected` one: when its window closes. */
  window?: WindowRule;
  /** Of a `queued` one: the version that its run uses. */
  version?: number;
}

/** When a window of events closes: after so long without a further one, and at the latest after so long, or with so many. */
export interface WindowRule {
  kind: Collector["kind"];
  quiet_ms: number;
  max_wait_ms: number;
  max_events: number;
}

export function indexSubscriptions(rows: readonly SubscriptionRow[]): SubscriptionIndex {
  const subscriptions = rows.map(({ trigger_config, flow, dedupe_key_strategy, ...row }): Subscription => {
    return {
      ...row,
      deleted: false,
      trigger: compileTrigger(trigger_config),
      flow: compileFlow(flow ?? undefined),
      dedupe: compileDedupe(dedupe_key_strategy ?? "event_id"),
    };
  });
  return createTypeIndex(subscriptions, ({ trigger }) => trigger.event_type);
}

/**
 * What an event of these matches is recorded as. One that reached activities and starts nothing is `dispatched` at once:
 * each of them has its outcome, and no run is owed.
 */
export function outcomeOf(matches: readonly Match[]): EventOutcome {
  if (matches.length === 0) return "unmatched";
  return matches.some(({ outcome }) => outcome === "run") ? "received" : "dispatched";
}

/** Why an event does not pass a trigger. */
export interface Refusal {
  reason: Extract<ActivityOutcome, "filtered" | "failed_expression">;
  /** In words: what is wanted, and the values that decided. */
  detail: string;
}

/**
 * Asks the triggers of one activity after the other about one event: first their filters, then their condition. Undefined: it
 * passes. A condition that fails is its activity's failure alone: whatever it throws is a refusal.
 */
export function createTriggerCheck(envelope: EventEnvelope): (trigger: EventMatcher) => Refusal | undefined {
  const findFilter = createFilterCheck(envelope.payload);
  let values: Values | undefined;
  return ({ filters, when }) => {
    const filtered = findFilter(filters);
    if (filtered !== undefined) return { reason: "filtered", detail: filtered };
    if (when === undefined) return undefined;
    values ??= { event: toEventValue(envelope) };
    try {
      const { holds, explanation } = checkCondition(when, values);
      return holds ? undefined : { reason: "filtered", detail: explanation };
    } catch (error) {
      return { reason: "failed_expression", detail: describeFailure(error) };
    }
  };
}

/**
 * Why an expression failed, for the ledger. The message may quote the payload, at any length and with characters that no database
 * keeps. Its end says what went wrong.
 */
export function describeFailure(error: unknown): string {
  const message = describeError(error);
  const { length } = message;
  const text =
    length > MAX_DETAIL ? `${message.slice(0, MAX_DETAIL / 2)}...${message.slice(-MAX_DETAIL / 2)}` : message;
  return inOneLine(text.toWellFormed());
}
