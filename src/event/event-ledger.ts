/** The port through which events are recorded; postgres/event/event-ledger.ts is behind it. */
import type { OwedRun } from "../run/engine.ts";
import type { EventContent } from "./content.ts";
import type { DeadLetterReason, EventEnvelope } from "./envelope.ts";
import type { Match, SubscriptionRow } from "./match.ts";
import type { EventOutcome } from "./outcome.ts";
import type { OwnEventReader } from "./own-event.ts";
import type { EnforcedTypeReader } from "./payload-checks.ts";

export interface MatchedEvent {
  envelope: EventEnvelope;
  matches: readonly Match[];
  /** What it is recorded as. */
  outcome: EventOutcome;
}

/** What stands in the ledger for an event after it was recorded. */
export interface RecordedEvent {
  event_id: string;
  outcome: EventOutcome;
  /** False: it stood there before this call. */
  isNew: boolean;
  /** What was recorded first; null for one that is new, and for one of which only the id is still kept. */
  content: EventContent | null;
  /** Of one that is new: what became of its matches. Where another event has the dedupe key, it is `duplicate`. */
  matches?: readonly Match[];
  /** Empty unless the outcome is `received`: the runs that are still to be started. */
  owed: OwedRun[];
}

export interface DeadLetter {
  event_id: string;
  reason: DeadLetterReason;
  detail: string;
  subject: string;
  raw: Uint8Array;
  /** Set when the bytes hold an envelope. */
  envelope?: EventEnvelope;
  /** The event id that the message carries, where it is kept under another. */
  carried_id?: string;
}

export interface EventLedger extends EnforcedTypeReader, OwnEventReader {
  /** The live event definitions, not older than the revision read before. */
  listSubscriptions(): Promise<SubscriptionRow[]>;
  /**
   * Records each event, its outcome per activity, its occurrences, its queued runs and its places in windows, in one transaction; an event that stands there
   * already keeps what was recorded first, and one that says something else than a foreign start brought under its id is not
   * recorded. The answer has one entry per distinct event id.
   */
  record(events: readonly MatchedEvent[]): Promise<RecordedEvent[]>;
  /** After every run that they owe is started. */
  markDispatched(eventIds: readonly string[]): Promise<void>;
  /**
   * Records them in one transaction; each has an id of its own. Answers the ids that were recorded: where an event of the id
   * stands there already, or another was brought by a foreign start, it is left as it is.
   */
  recordDeadLetters(letters: readonly DeadLetter[]): Promise<ReadonlySet<string>>;
}
