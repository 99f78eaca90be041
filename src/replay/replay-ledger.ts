/** The port through which replays are accepted; postgres/replay/replay-ledger.ts is behind it. */
import type { RecordedEvent } from "../rehearsal/history.ts";
import type { AcceptedRun } from "../run/engine.ts";

/** A recorded event that an activity is to run for once more. */
export interface WantedReplay {
  activity_id: string;
  activity_name: string;
  /** The version that the run uses. */
  version: number;
  event_id: string;
  trace_id: string;
  /** By which the gates of the activity count it; null where it has none, and the run begins at once. */
  flow_key: string | null;
}

export interface AcceptedReplay extends AcceptedRun {
  event_id: string;
  /** The run that the activity made of the event before. */
  rerun_of: string | null;
}

/** What an activity made of an event before; null where only that it did something is known. */
export interface RanBefore {
  run_id: string | null;
}

/**
 * An activity ran for an event where it has a run of it, started by whatever it was, or a replay; where the event went into a window
 * with others; and where another event is the same occasion (`duplicate`).
 */
export interface ReplayLedger {
  /** Which of these activities ran for the event. */
  findRan(activityIds: readonly string[], eventId: string): Promise<ReadonlyMap<string, RanBefore>>;
  /**
   * Records an occurrence and a run for each, in one transaction, audited. `onlyMissing`: only where the activity never ran for the
   * event, however often and by whomever it is asked for at once.
   */
  accept(
    wanted: readonly WantedReplay[],
    options: { onlyMissing: boolean; audit: { actor: string; subject: string; after: object } },
  ): Promise<AcceptedReplay[]>;
  /** The next events that the stream brought of these types within the range, both ends included, oldest first. */
  listPast(
    activityId: string,
    range: { types: readonly string[]; from: Date; to: Date },
    page: { limit: number; after?: string },
  ): Promise<{ row_id: string; ran: boolean }[]>;
  /** In the order of the rows, as many as fit into some megabytes. */
  readEvents(rowIds: readonly string[]): Promise<RecordedEvent[]>;
}
