/** Which definitions an event reaches: by type, then by every filter. Pure; the caller keeps the index fresh (I4). */

import type { EventTrigger } from "../definition/schema.ts";
import { isExactNumber } from "../json/exact-number.ts";
import { preview } from "../json/faults.ts";
import type { EventEnvelope } from "./envelope.ts";
import type { ActivityOutcome, EventOutcome } from "./outcome.ts";

/** A live event definition, as much of it as matching needs. */
export interface Subscription {
  activity_id: string;
  activity_name: string;
  enabled: boolean;
  trigger: EventTrigger;
}

export type SubscriptionIndex = ReadonlyMap<string, readonly Subscription[]>;

/** An activity that the event's type reached, and what came of it. */
export interface Match {
  subscription: Subscription;
  outcome: ActivityOutcome;
  /** Why it does not run. */
  reason?: string;
}

export function indexSubscriptions(subscriptions: readonly Subscription[]): SubscriptionIndex {
  return Map.groupBy(subscriptions, ({ trigger }) => trigger.event_type);
}

/** One entry for each definition with the event's type; none means that the event is unmatched. */
export function matchEvent(index: SubscriptionIndex, event: EventEnvelope): Match[] {
  const describe = createDescriber(event.payload);
  return (index.get(event.type) ?? []).map((subscription) => {
    const failed = findFailedFilter(subscription.trigger.filters, event.payload);
    if (failed !== undefined) return { subscription, outcome: "filtered", reason: describe(...failed) };
    return subscription.enabled
      ? { subscription, outcome: "run" }
      : { subscription, outcome: "skipped", reason: "disabled" };
  });
}

/**
 * What an event of these matches is recorded as. One that reached activities and starts nothing is `dispatched` at once:
 * each of them has its outcome, and no run is owed.
 */
export function outcomeOf(matches: readonly Match[]): EventOutcome {
  if (matches.length === 0) return "unmatched";
  return matches.some(({ outcome }) => outcome === "run") ? "received" : "dispatched";
}

/** The key of the first filter that does not hold, and the value that it wants. */
function findFailedFilter(
  filters: EventTrigger["filters"],
  payload: unknown,
): [key: string, wanted: unknown] | undefined {
  const fields = fieldsOf(payload);
  return Object.entries(filters ?? {}).find(
    ([key, wanted]) => !Object.hasOwn(fields, key) || !Bun.deepEquals(fields[key], wanted, true),
  );
}

/** Says why a filter does not hold: what it wants, where it looks, and what stands there. */
function createDescriber(payload: unknown): (key: string, wanted: unknown) => string {
  const fields = fieldsOf(payload);
  // Many filters may look at one large value: it is written out once.
  const found = new Map<string, string>();
  return (key, wanted) => {
    if (!Object.hasOwn(fields, key)) {
      const note = key.includes(".") ? " (a filter's key is one key of the payload, not a path)" : "";
      return `the payload has no key ${preview(key)}${note}, the filter wants ${preview(wanted)} there`;
    }
    let value = found.get(key);
    if (value === undefined) {
      value = preview(fields[key]);
      found.set(key, value);
    }
    return `${placeOf(key)} is ${value}, the filter wants ${preview(wanted)}`;
  };
}

function fieldsOf(payload: unknown): Record<string, unknown> {
  return typeof payload === "object" && payload !== null && !isExactNumber(payload)
    ? (payload as Record<string, unknown>)
    : {};
}

function placeOf(key: string): string {
  return /^[A-Za-z_]\w{0,79}$/.test(key) ? `payload.${key}` : `payload[${preview(key)}]`;
}
