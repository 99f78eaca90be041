/** What comes of an event for each activity that waits for its type. Pure. */
import type { EventEnvelope } from "../event/envelope.ts";
import type { MatchedEvent } from "../event/event-ledger.ts";
import { type Match, outcomeOf, type SubscriptionIndex } from "../event/match.ts";
import { createFilterCheck } from "../match/filter.ts";
import { judge, type TriggerEvent } from "../occurrence/judge.ts";

/** One match for each activity with the event's type; none means that the event is unmatched. */
export function matchEvent(index: SubscriptionIndex, envelope: EventEnvelope): MatchedEvent {
  const { event_id, type, payload } = envelope;
  const findRefusal = createFilterCheck(payload);
  const event: TriggerEvent = { kind: "event", key: event_id, trigger: "event", event_id, findRefusal };
  const matches = index.find(type).map((subscription): Match => {
    const reached = { activity_id: subscription.id, activity_name: subscription.name };
    const verdict = judge(event, subscription);
    if (verdict.do === "run") return { ...reached, outcome: "run" };
    const { reason, detail = reason } = verdict;
    return { ...reached, outcome: reason === "filtered" ? "filtered" : "skipped", reason: detail };
  });
  return { envelope, matches, outcome: outcomeOf(matches) };
}
