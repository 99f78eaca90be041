/** What a workflow was started for, in the words of the ledger. */
import type { SkipReason } from "../calendar/misfire.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import type { RunTrigger } from "../run/run.ts";
import type { OccurrenceKind } from "./occurrence.ts";

/** A run that was accepted over REST: its occurrence and its row stand already. */
export interface AcceptedStart {
  run_id: string;
}

export interface Start {
  kind: OccurrenceKind;
  key: string;
  trigger: RunTrigger;
  /** The event that the run is about. */
  event_id?: string;
  /** A foreign event, to be persisted with the claim. */
  inline?: EventEnvelope;
  /** Why it does not run after all: recorded with the claim. */
  refusal?: SkipReason;
}
