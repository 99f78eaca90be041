/** The ports through which events and occurrences are recorded; postgres/events.ts and postgres/occurrences.ts are behind them. */
import type { Claim, ClaimRequest } from "../run/run.ts";
import type { AcceptedStart, Start } from "./classify.ts";
import type { EventContent } from "./event/content.ts";
import type { DeadLetterReason, EventEnvelope } from "./event/envelope.ts";
import type { Match, Subscription } from "./event/match.ts";
import type { EnforcedTypeReader } from "./event/payload-checks.ts";
import type { Segment } from "./schedule/due-facts.ts";

/**
 * What came of an event. `received`: it owes runs, not all of them are started yet. `unmatched`: no definition waits for
 * its type. `dispatched`: every definition that waits for its type has its outcome, and the runs that are owed, if any,
 * are started. `dead_lettered`: it is kept, and reaches nothing.
 */
export const EVENT_OUTCOMES = ["received", "unmatched", "dispatched", "dead_lettered"] as const;
export type EventOutcome = (typeof EVENT_OUTCOMES)[number];
/** What an event did to one activity of its type. */
export const ACTIVITY_OUTCOMES = ["run", "filtered", "skipped"] as const;
export type ActivityOutcome = (typeof ACTIVITY_OUTCOMES)[number];

export interface OccurrenceLedger {
  /** What the definition said when something was due at `at`, and since then until `now`; where it was made later, all. */
  findSchedule(activityId: string, at: Date, now: Date): Promise<Segment[]>;
  /**
   * Claims the occurrence for the workflow, pins the definition's version and opens the run, in one transaction (I1).
   * The same workflow claiming again gets the same answer; another one a duplicate.
   * @throws TerminalError `definition_not_found`, `event_not_found`, `event_differs`, `run_not_found`
   */
  claim(request: ClaimRequest, start: Start | AcceptedStart): Promise<Claim & { start_latency_ms: number }>;
}

/** A run's workflow, by what the ledger knows of it. */
export interface RunWorkflow {
  workflow_id: string;
  activity_id: string;
  /** Names the chain of executions that claimed the run; absent while none has, or where it is not asked for. */
  claimed_by?: string;
}

/** A run that is owed: its occurrence stands, its workflow may not. */
export interface OwedRun extends RunWorkflow {
  activity_name: string;
  /** The workflow's second argument. */
  trigger_event: { event_id: string } | { run_id: string };
}

export interface MatchedEvent {
  envelope: EventEnvelope;
  matches: Match[];
}

/** What stands in the ledger for an event after it was recorded. */
export interface RecordedEvent {
  event_id: string;
  outcome: EventOutcome;
  /** False: it stood there before this call. */
  isNew: boolean;
  /** What was recorded first; null for one that is new, and for one of which only the id is still kept. */
  content: EventContent | null;
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

export interface EventLedger extends EnforcedTypeReader {
  /** The live event definitions, not older than the revision read before. */
  listSubscriptions(): Promise<Subscription[]>;
  /**
   * Records each event, its outcome per activity and its occurrences, in one transaction; an event that stands there
   * already keeps what was recorded first, and one that says something else than a foreign start brought under its id is not
   * recorded. The answer has one entry per distinct event id.
   */
  record(events: readonly MatchedEvent[]): Promise<RecordedEvent[]>;
  /** After every run that they owe is started. */
  markDispatched(eventIds: readonly string[]): Promise<void>;
  /** False when an event of the id stands there already, or another was brought by a foreign start: it is left as it is. */
  recordDeadLetter(letter: DeadLetter): Promise<boolean>;
}
