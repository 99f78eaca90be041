/**
 * From raw messages to started runs. Decode → check → match → record → start → settle.
 *
 *   I1  the occurrence is recorded with the event before a workflow is started, under an id that follows from both
 *   I2  a message is acknowledged after its event's outcome is durable; whatever fails before that comes again
 *   I3  every event ends in an outcome that can be looked up; what is no event is kept as a dead letter
 *   I4  the revision is read after the group's last message arrived; definitions and types are loaded only when it moved
 */

import pLimit from "p-limit";
import { contentOf, type EventContent, findDifferences } from "../event/content.ts";
import { type Decoded, decodeEvent } from "../event/decode-event.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import type { EventLedger, MatchedEvent, RecordedEvent } from "../event/event-ledger.ts";
import { indexSubscriptions, type Match, type SubscriptionIndex } from "../event/match.ts";
import { findPayloadFaults, indexEnforcedTypes, type PayloadChecks } from "../event/payload-checks.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { createPause } from "../kernel/wait.ts";
import type { RunStarter } from "../run/engine.ts";
import { createDeadLetters, type Refused } from "./dead-letters.ts";
import { findForged } from "./forged-events.ts";
import { matchInTurns } from "./match-event.ts";
import { createPutBack } from "./put-back.ts";
import type { StreamMessage } from "./stream-message.ts";

export interface DispatcherDeps {
  ledger: EventLedger;
  starter: RunStarter;
  metrics: Metrics;
  log: Log;
  /** How many runs are started at once, at most. */
  concurrentStarts?: number;
  /** Hears of each point that a crash may follow (docs/idempotency.md); the chaos tests crash there. */
  onPoint?(point: DispatchPoint): void;
}

export type DispatchPoint = "fetched" | "recorded" | "started" | "marked";

interface Received {
  message: StreamMessage;
  envelope: EventEnvelope;
}

/** Unless told otherwise: an engine on machines of its own takes so many, each of which mostly waits for the network. */
const CONCURRENT_STARTS = 64;
/** How many activities the events reach that are recorded at once: more would make a statement that takes long. */
const MAX_REACHED_AT_ONCE = 2_000;

export function createDispatcher({
  ledger,
  starter,
  metrics,
  log,
  concurrentStarts = CONCURRENT_STARTS,
  onPoint = () => {},
}: DispatcherDeps) {
  const putBack = createPutBack(log);
  const deadLetters = createDeadLetters({ ledger, putBack, metrics, log });
  const pause = createPause();
  let index: SubscriptionIndex = indexSubscriptions([]);
  let checks: PayloadChecks = new Map();
  let knownRevision: bigint | undefined;

  async function refresh(): Promise<void> {
    const revision = await ledger.readRevision();
    if (revision === knownRevision) return;
    const [subscriptions, types] = await Promise.all([ledger.listSubscriptions(), ledger.listEnforcedTypes()]);
    index = indexSubscriptions(subscriptions);
    checks = indexEnforcedTypes(types, checks);
    knownRevision = revision;
  }

  /** Keeps as dead letters the events that do not match the schema of their type; answers the others. Never rejects. */
  async function withoutMismatched(received: readonly Received[]): Promise<readonly Received[]> {
    if (checks.size === 0) return received;
    const mismatched = [...groupById(received).values()].flatMap((copies) => {
      const [{ envelope }] = copies as [Received];
      const faults = findPayloadFaults(checks, envelope);
      return faults.length === 0 ? [] : [{ copies: messagesOf(copies), envelope, faults }];
    });
    if (mismatched.length === 0) return received;
    const known = await deadLetters.keepMismatched(mismatched);
    const kept = new Set(mismatched.map(({ envelope }) => envelope.event_id).filter((id) => !known.has(id)));
    return received.filter(({ envelope }) => !kept.has(envelope.event_id));
  }

  /** Matches and records the events, then starts the runs that they owe. */
  async function dispatch(received: readonly Received[]): Promise<void> {
    const byId = groupById(received);
    const matched: MatchedEvent[] = [];
    for (const [first] of byId.values()) matched.push(await matchInTurns(index, (first as Received).envelope, pause));
    const recorded = await ledger.record(matched);
    onPoint("recorded");
    tellOutcomes(recorded, byId);
    const { failed, away } = await startAll(recorded);
    onPoint("started");

    const settled = recorded.filter(({ event_id }) => !failed.has(event_id));
    await ledger.markDispatched(
      settled.filter(({ outcome }) => outcome === "received").map(({ event_id }) => event_id),
    );
    onPoint("marked");
    await deadLetters.keep(settled.flatMap((event) => settle(event, byId.get(event.event_id) ?? [])));
    const copiesOf = (eventId: string) => messagesOf(byId.get(eventId) ?? []);
    if (away !== undefined) putBack.all([...failed.keys()].flatMap(copiesOf), away);
    else for (const [eventId, error] of failed) for (const message of copiesOf(eventId)) putBack.one(message, error);
  }

  /** Counts what came of the events that are new, and logs of each the expressions that failed, in one line. */
  function tellOutcomes(recorded: readonly RecordedEvent[], byId: ReadonlyMap<string, readonly Received[]>): void {
    for (const { event_id, matches = [] } of recorded) {
      for (const [outcome, reached] of Map.groupBy(matches, (match) => match.outcome)) {
        metrics.eventOutcomes.inc({ outcome }, reached.length);
        if (outcome !== "failed_expression") continue;
        const { type, trace_id } = byId.get(event_id)?.[0]?.envelope ?? {};
        const [{ activity_id, activity_name, reason }] = reached as [Match];
        log.warn(
          { event_id, type, trace_id, activities: reached.length, activity_id, activity_name, reason },
          "the condition or the key of a trigger failed",
        );
      }
    }
  }

  /** Acknowledges the copies of an event; answers those that say something else, which are not settled. */
  function settle(event: RecordedEvent, copies: readonly Received[]): readonly Refused[] {
    const [first] = copies;
    if (first === undefined) return [];
    // An event that was recorded before and still owed runs was not counted then: its router was killed.
    const isCounted = !event.isNew && event.outcome !== "received";
    if (!isCounted) metrics.events.inc({ outcome: event.outcome === "received" ? "dispatched" : event.outcome });
    const differences = findDifferences(event.content, first.envelope);
    if (differences.length > 0) return copies.map((copy) => toDiffering(copy, differences));
    for (const { message, envelope } of copies) {
      message.ack();
      log.debug(
        { event_id: event.event_id, type: envelope.type, trace_id: envelope.trace_id, runs: event.owed.length },
        "event settled",
      );
    }
    const duplicates = copies.length - (isCounted ? 0 : 1);
    if (duplicates > 0) metrics.events.inc({ outcome: "duplicate" }, duplicates);
    return [];
  }

  /**
   * The events of which a start failed, with the error. `away`: no start succeeds any more, because the engine is away, and
   * those that were left were not tried.
   */
  async function startAll(recorded: readonly RecordedEvent[]) {
    const failed = new Map<string, unknown>();
    let started = 0;
    let away: RetryableError | undefined;
    const runs = recorded.flatMap(({ event_id, owed }) => owed.map((run) => ({ event_id, run })));
    await pLimit(concurrentStarts).map(runs, async ({ event_id, run }) => {
      const startedBefore = started;
      try {
        if (away !== undefined) throw away;
        await starter.start(run);
        started++;
      } catch (error) {
        failed.set(event_id, error);
        if (error instanceof RetryableError && started === startedBefore) away ??= error;
      }
    });
    return { failed, away };
  }

  async function handleEvents(received: readonly Received[]): Promise<void> {
    onPoint("fetched");
    let findRefusal: Awaited<ReturnType<typeof findForged>>;
    try {
      await refresh();
      findRefusal = await findForged(
        received.map(({ envelope }) => envelope),
        ledger,
      );
    } catch (error) {
      putBack.all(messagesOf(received), error);
      return;
    }
    const genuine: Received[] = [];
    const forged: Refused[] = [];
    for (const each of received) {
      const refusal = findRefusal(each.envelope);
      if (refusal === undefined) genuine.push(each);
      else forged.push({ message: each.message, ...refusal });
    }
    await deadLetters.keep(forged);
    const going = await withoutMismatched(genuine);
    for (const part of inParts(going)) await dispatchOrPutBack(part);
  }

  /** In parts of which none reaches more activities than can be recorded at once, unless a single event does. */
  function* inParts(received: readonly Received[]): Generator<readonly Received[]> {
    let part: Received[] = [];
    let reached = 0;
    for (const one of received) {
      const more = index.find(one.envelope.type).length;
      if (part.length > 0 && reached + more > MAX_REACHED_AT_ONCE) {
        yield part;
        part = [];
        reached = 0;
      }
      part.push(one);
      reached += more;
    }
    if (part.length > 0) yield part;
  }

  async function dispatchOrPutBack(received: readonly Received[]): Promise<void> {
    try {
      await dispatch(received);
    } catch (error) {
      const [only] = received;
      const unstorable = error instanceof TerminalError;
      // One event that the ledger refuses must not hold up the others of its group.
      if (unstorable && received.length > 1) for (const one of received) await dispatchOrPutBack([one]);
      else if (unstorable && only)
        await deadLetters.keep([
          {
            message: only.message,
            reason: "not_storable",
            detail: error.message,
            carried_id: only.envelope.event_id,
          },
        ]);
      else putBack.all(messagesOf(received), error);
    }
  }

  return {
    /** Settles every message of the group; never rejects. */
    async handle(group: readonly StreamMessage[]): Promise<void> {
      const decoded = group.map((message) => ({ message, ...decodeMessage(message) }));
      const received = decoded.filter((each) => each.ok);
      for (const agreeing of inAgreement(received)) await handleEvents(agreeing);
      await deadLetters.keep(decoded.filter((each) => !each.ok).map(({ ok: _, ...refused }) => refused));
    },
  };
}

/** What was recorded first stands; a message that says something else under its id is no repetition of it. */
function toDiffering({ message, envelope }: Received, differences: readonly string[]): Refused {
  const detail = `differs in ${differences.join(", ")} from the event that was recorded before under its id`;
  return { message, reason: "event_differs", detail, envelope, carried_id: envelope.event_id };
}

function decodeMessage({ bytes, headers, headersFault, streamedAtNs }: StreamMessage): Decoded {
  // The stream's time, so that each delivery of the message says the same.
  return decodeEvent(bytes, { headers, headersFault, receivedAt: new Date(streamedAtNs / 1e6) });
}

/**
 * The messages in parts, one after the other: in each, those of one id say the same. What says something else comes later,
 * and meets in the ledger what the first one was recorded as.
 */
function* inAgreement(received: readonly Received[]): Generator<readonly Received[]> {
  for (let waiting = received; waiting.length > 0; ) {
    const firsts = new Map<string, EventContent>();
    const { agreeing = [], differing = [] } = Object.groupBy(waiting, ({ envelope }) => {
      const first = firsts.get(envelope.event_id);
      if (first === undefined) firsts.set(envelope.event_id, contentOf(envelope));
      return findDifferences(first, envelope).length === 0 ? "agreeing" : "differing";
    });
    yield agreeing;
    waiting = differing;
  }
}

function messagesOf(received: readonly Received[]): StreamMessage[] {
  return received.map(({ message }) => message);
}

/** The copies of each event. */
function groupById(received: readonly Received[]): Map<string, Received[]> {
  return Map.groupBy(received, ({ envelope }) => envelope.event_id);
}
