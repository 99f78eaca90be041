/**
 * Which activities an event reaches: those that wait for its type. Whether it passes their filters is one of the questions that
 * occurrence/judge.ts asks. Pure; the caller keeps the index fresh (I4).
 */

import { type Activity, compileTrigger, type EventMatcher } from "../definition/activity.ts";
import type { EventTrigger } from "../definition/schema.ts";
import { createTypeIndex, type TypeIndex } from "../match/type-index.ts";
import type { ActivityOutcome, EventOutcome } from "./outcome.ts";

/** A live event definition as it is stored, as much of it as matching needs. */
export interface SubscriptionRow extends Pick<Activity, "id" | "name" | "enabled"> {
  trigger_config: EventTrigger;
}

/** The same, compiled. */
export interface Subscription extends Pick<Activity, "id" | "name" | "enabled" | "deleted"> {
  trigger: EventMatcher;
}

/** By the types of events. */
export type SubscriptionIndex = TypeIndex<Subscription>;

/** An activity that the event's type reached, and what came of it. */
export interface Match {
  activity_id: string;
  activity_name: string;
  outcome: ActivityOutcome;
  /** Why it does not run. */
  reason?: string;
}

export function indexSubscriptions(rows: readonly SubscriptionRow[]): SubscriptionIndex {
  const subscriptions = rows.map(({ trigger_config, ...row }): Subscription => {
    return { ...row, deleted: false, trigger: compileTrigger(trigger_config) };
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
