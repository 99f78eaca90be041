/**
 * From raw messages to started runs. Decode → check → match → record → start → settle.
 *
 *   I1  the occurrence is recorded with the event before a workflow is started, under an id that follows from both
 *   I2  a message is acknowledged after its event's outcome is durable; whatever fails before that comes again
 *   I3  every event ends in an outcome that can be looked up; what is no event is kept as a dead letter
 *   I4  the revision is read after the group's last message arrived; definitions and types are loaded only when it moved
 */
import { describeError, type Fault, RetryableError, TerminalError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { Metrics } from "../../metrics.ts";
import type { EventLedger, EventOutcome, OwedRun, RecordedEvent } from "../ledger.ts";
import { type DeadLetterReason, deadLetterId, decodeEvent, type EventEnvelope } from "./envelope.ts";
import { indexSubscriptions, matchEvent, type SubscriptionIndex } from "./match.ts";
import { findPayloadFaults, indexEnforcedTypes, type PayloadChecks } from "./payload-checks.ts";

/** A message of the stream, and the ways to settle it. */
export interface StreamMessage {
  bytes: Uint8Array;
  subject: string;
  streamedAtNs: number;
  /** 1 for the first. */
  deliveries: number;
  ack(): void;
  /** Never delivered again. */
  terminate(reason: string): void;
  retryAfter(delayMs: number): void;
}

/** The port through which runs are started; temporal/run-starter.ts is behind it. */
export interface RunStarter {
  /**
   * Answers the workflow id under which the run is started; starting what is started already is a success.
   * @throws RetryableError `temporal_unavailable`; TerminalError `workflow_id_taken` where a workflow that is not the run's
   * has its id: trigger/owed-starter.ts knows what to do
   */
  start(run: OwedRun): Promise<string>;
}

export interface DispatcherDeps {
  ledger: EventLedger;
  starter: RunStarter;
  metrics: Metrics;
  log: Log;
  /** Hears of each point that a crash may follow (docs/idempotency.md); the chaos tests crash there. */
  onPoint?(point: DispatchPoint): void;
}

export type DispatchPoint = "fetched" | "recorded" | "started" | "marked";

interface Received {
  message: StreamMessage;
  envelope: EventEnvelope;
}

const MAX_CONCURRENT_STARTS = 64;
/** Of an event that does not match the schema of its type. */
const MAX_FAULTS_NAMED = 5;

export function createDispatcher({ ledger, starter, metrics, log, onPoint = () => {} }: DispatcherDeps) {
  let index: SubscriptionIndex = new Map();
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

  async function deadLetter(message: StreamMessage, reason: DeadLetterReason, detail: string): Promise<void> {
    const { subject, streamedAtNs, bytes } = message;
    const event_id = deadLetterId(subject, streamedAtNs, bytes);
    await ledger.recordDeadLetter({ event_id, reason, detail, subject, raw: bytes });
    settleAsDead([message], event_id, reason, detail);
  }

  function settleAsDead(
    [first, ...copies]: readonly StreamMessage[],
    event_id: string,
    reason: DeadLetterReason,
    detail: string,
  ): void {
    if (first === undefined) return;
    for (const message of [first, ...copies]) message.terminate(reason);
    metrics.events.inc({ outcome: "dead_lettered" });
    if (copies.length > 0) metrics.events.inc({ outcome: "duplicate" }, copies.length);
    log.warn({ event_id, subject: first.subject, reason, detail }, "event dead-lettered");
  }

  /** Keeps as dead letters the events that do not match the schema of their type; answers the others. Never rejects. */
  async function withoutMismatched(received: readonly Received[]): Promise<readonly Received[]> {
    if (checks.size === 0) return received;
    const going: Received[] = [];
    for (const copies of groupById(received).values()) {
      const [{ envelope }] = copies as [Received];
      const faults = findPayloadFaults(checks, envelope);
      if (faults.length === 0 || !(await deadLetterMismatched(copies, describeFaults(faults)))) going.push(...copies);
    }
    return going;
  }

  /** False when the ledger knows the event already: then what was recorded first stands (I1, I2). */
  async function deadLetterMismatched(copies: readonly Received[], detail: string): Promise<boolean> {
    const [{ envelope, message }] = copies as [Received];
    const { event_id } = envelope;
    const messages = copies.map((copy) => copy.message);
    const reason = "schema_mismatch";
    try {
      const { subject, bytes: raw } = message;
      if (!(await ledger.recordDeadLetter({ event_id, reason, detail, subject, raw, envelope }))) return false;
      settleAsDead(messages, event_id, reason, detail);
    } catch (error) {
      for (const one of messages) putBack(one, error);
    }
    return true;
  }

  /** Matches and records the events, then starts the runs that they owe. */
  async function dispatch(received: readonly Received[]): Promise<void> {
    const byId = groupById(received);
    const matched = byId
      .values()
      .map(([first]) => (first as Received).envelope)
      .map((envelope) => ({ envelope, matches: matchEvent(index, envelope) }))
      .toArray();
    const recorded = await ledger.record(matched);
    onPoint("recorded");
    const failed = await startAll(recorded);
    onPoint("started");

    const settled = recorded.filter(({ event_id }) => !failed.has(event_id));
    await ledger.markDispatched(
      settled.filter(({ outcome }) => outcome === "received").map(({ event_id }) => event_id),
    );
    onPoint("marked");
    for (const event of settled) settle(event, byId.get(event.event_id) ?? []);
    for (const [eventId, error] of failed) for (const { message } of byId.get(eventId) ?? []) putBack(message, error);
  }

  function settle(event: RecordedEvent, copies: readonly Received[]): void {
    for (const { message, envelope } of copies) {
      message.ack();
      log.debug(
        { event_id: event.event_id, type: envelope.type, trace_id: envelope.trace_id, runs: event.owed.length },
        "event settled",
      );
    }
    metrics.events.inc({ outcome: countedAs(event) });
    if (copies.length > 1) metrics.events.inc({ outcome: "duplicate" }, copies.length - 1);
  }

  /** The events of which a start failed, with the error. */
  async function startAll(recorded: readonly RecordedEvent[]): Promise<Map<string, unknown>> {
    const failed = new Map<string, unknown>();
    const runs = recorded.flatMap(({ event_id, owed }) => owed.map((run) => ({ event_id, run })));
    const queue = runs.values();
    const starters = Array.from({ length: Math.min(MAX_CONCURRENT_STARTS, runs.length) }, async () => {
      for (const { event_id, run } of queue) {
        try {
          await starter.start(run);
        } catch (error) {
          failed.set(event_id, error);
        }
      }
    });
    await Promise.all(starters);
    return failed;
  }

  /** The stream delivers it again: soon at first, then ever later, so that an engine that is away is not hammered. */
  function putBack(message: StreamMessage, error: unknown): void {
    const delayMs = Math.min(250 * 2 ** Math.min(message.deliveries, 10), 15_000);
    log.warn({ subject: message.subject, reason: describeError(error), retry_in_ms: delayMs }, "event put back");
    if (!(error instanceof RetryableError)) log.error({ error }, "unexpected failure of the router");
    message.retryAfter(delayMs);
  }

  async function handleEvents(received: readonly Received[]): Promise<void> {
    onPoint("fetched");
    try {
      await refresh();
    } catch (error) {
      for (const { message } of received) putBack(message, error);
      return;
    }
    const going = await withoutMismatched(received);
    if (going.length > 0) await dispatchOrPutBack(going);
  }

  async function dispatchOrPutBack(received: readonly Received[]): Promise<void> {
    try {
      await dispatch(received);
    } catch (error) {
      const [only] = received;
      const unstorable = error instanceof TerminalError;
      // One event that the ledger refuses must not hold up the others of its group.
      if (unstorable && received.length > 1) for (const one of received) await dispatchOrPutBack([one]);
      else if (unstorable && only) await deadLetterOrPutBack(only.message, "not_storable", error.message);
      else for (const { message } of received) putBack(message, error);
    }
  }

  async function deadLetterOrPutBack(message: StreamMessage, reason: DeadLetterReason, detail: string): Promise<void> {
    try {
      await deadLetter(message, reason, detail);
    } catch (error) {
      putBack(message, error);
    }
  }

  return {
    /** Settles every message of the group; never rejects. */
    async handle(group: readonly StreamMessage[]): Promise<void> {
      const decoded = group.map((message) => ({ message, ...decodeEvent(message.bytes) }));
      const received = decoded.filter((each) => each.ok);
      if (received.length > 0) await handleEvents(received);
      for (const each of decoded) if (!each.ok) await deadLetterOrPutBack(each.message, each.reason, each.detail);
    },
  };
}

/** Of a settled event. One that stood there with runs that were still owed had not been counted: its router was killed. */
function countedAs({ outcome, isNew }: RecordedEvent): EventOutcome | "duplicate" {
  if (outcome === "received") return "dispatched";
  return isNew ? outcome : "duplicate";
}

/** The copies of each event. */
function groupById(received: readonly Received[]): Map<string, Received[]> {
  return Map.groupBy(received, ({ envelope }) => envelope.event_id);
}

function describeFaults(faults: readonly Fault[]): string {
  const shown = faults.slice(0, MAX_FAULTS_NAMED).map(({ path, message }) => `${path} ${message}`);
  const more = faults.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
