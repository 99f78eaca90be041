/** Which definitions an event reaches: by type, then by every filter. Pure; the caller keeps the index fresh (I4). */
import type { EventTrigger } from "../../definition/schema.ts";
import type { ActivityOutcome } from "../ledger.ts";
import type { EventEnvelope } from "./envelope.ts";

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
  return (index.get(event.type) ?? []).map((subscription) => {
    const failed = findFailedFilter(subscription.trigger.filters, event.payload);
    if (failed !== undefined)
      return { subscription, outcome: "filtered", reason: `payload.${failed} differs from the filter` };
    return subscription.enabled
      ? { subscription, outcome: "run" }
      : { subscription, outcome: "skipped", reason: "disabled" };
  });
}

function findFailedFilter(filters: EventTrigger["filters"], payload: unknown): string | undefined {
  const fields = typeof payload === "object" && payload !== null ? (payload as Record<string, unknown>) : {};
  return Object.keys(filters ?? {}).find(
    (key) => !Object.hasOwn(fields, key) || !Bun.deepEquals(fields[key], filters?.[key], true),
  );
}
