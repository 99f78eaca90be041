/** What comes of an event for each activity that waits for its type. Pure. */
import type { EventEnvelope } from "../event/envelope.ts";
import type { MatchedEvent } from "../event/event-ledger.ts";
import { createTriggerCheck, type Match, outcomeOf, type SubscriptionIndex } from "../event/match.ts";
import { createPlacing } from "../flow/placement.ts";
import { judge, type TriggerEvent } from "../occurrence/judge.ts";

/** One match for each activity with the event's type; none means that the event is unmatched. */
export function matchEvent(index: SubscriptionIndex, envelope: EventEnvelope): MatchedEvent {
  return toMatchedEvent(envelope, matchEach(index, envelope).toArray());
}

/** The same, in the midst of other work: `pause` is asked between activities, and awaited where it answers a promise. */
export async function matchInTurns(
  index: SubscriptionIndex,
  envelope: EventEnvelope,
  pause: () => Promise<void> | undefined,
): Promise<MatchedEvent> {
  const matches: Match[] = [];
  for (const match of matchEach(index, envelope)) {
    matches.push(match);
    const pausing = pause();
    if (pausing !== undefined) await pausing;
  }
  return toMatchedEvent(envelope, matches);
}

function* matchEach(index: SubscriptionIndex, envelope: EventEnvelope): Generator<Match> {
  const { event_id, type } = envelope;
  const findRefusal = createTriggerCheck(envelope);
  const place = createPlacing(envelope);
  const event: TriggerEvent = { kind: "event", key: event_id, trigger: "event", event_id, findRefusal };
  for (const subscription of index.find(type)) {
    const reached = { activity_id: subscription.id, activity_name: subscription.name };
    const verdict = judge(event, subscription);
    if (verdict.do === "run") yield { ...reached, ...place(subscription) };
    else {
      const { reason, detail = reason } = verdict;
      const isRefused = reason === "filtered" || reason === "failed_expression";
      yield { ...reached, outcome: isRefused ? reason : "skipped", reason: detail };
    }
  }
}

function toMatchedEvent(envelope: EventEnvelope, matches: Match[]): MatchedEvent {
  return { envelope, matches, outcome: outcomeOf(matches) };
}
