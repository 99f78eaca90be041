/**
 * Which activities an event reaches: those that wait for its type. Whether it passes their filters is one of the questions that
 * occurrence/judge.ts asks. Pure; the caller keeps the index fresh (I4).
 */

import { type Activity, compileTrigger, type EventMatcher, type Filter } from "../definition/activity.ts";
import type { EventTrigger } from "../definition/schema.ts";
import { isExactNumber } from "../json/exact-number.ts";
import { preview } from "../json/faults.ts";
import type { ActivityOutcome, EventOutcome } from "./outcome.ts";

/** A live event definition as it is stored, as much of it as matching needs. */
export interface SubscriptionRow extends Pick<Activity, "id" | "name" | "enabled"> {
  trigger_config: EventTrigger;
}

/** The same, compiled. */
export interface Subscription extends Pick<Activity, "id" | "name" | "enabled" | "deleted"> {
  trigger: EventMatcher;
}

/** By the type of events. */
export type SubscriptionIndex = ReadonlyMap<string, readonly Subscription[]>;

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
  return Map.groupBy(subscriptions, ({ trigger }) => trigger.event_type);
}

/**
 * What an event of these matches is recorded as. One that reached activities and starts nothing is `dispatched` at once:
 * each of them has its outcome, and no run is owed.
 */
export function outcomeOf(matches: readonly Match[]): EventOutcome {
  if (matches.length === 0) return "unmatched";
  return matches.some(({ outcome }) => outcome === "run") ? "received" : "dispatched";
}

/**
 * Asks the filters of one activity after the other about one payload: why the first that does not hold refuses it, in words
 * that say what it wants, where it looks, and what stands there. Undefined: all hold.
 */
export function createFilterCheck(payload: unknown): (filters: readonly Filter[]) => string | undefined {
  const fields = fieldsOf(payload);
  // Many filters may look at one large value, so its text is made once.
  const found = new Map<string, string>();

  function describe([key, wanted]: Filter): string {
    if (!Object.hasOwn(fields, key)) {
      const note = key.includes(".") ? " (a filter's key is one key of the payload, not a path)" : "";
      return `the payload has no key ${preview(key)}${note}, the filter wants ${preview(wanted)} there`;
    }
    const value = found.get(key) ?? preview(fields[key]);
    found.set(key, value);
    return `${placeOf(key)} is ${value}, the filter wants ${preview(wanted)}`;
  }

  return (filters) => {
    const failed = filters.find(
      ([key, wanted]) => !Object.hasOwn(fields, key) || !Bun.deepEquals(fields[key], wanted, true),
    );
    return failed && describe(failed);
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
