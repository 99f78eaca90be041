/** The port through which rehearsals read what happened; postgres/rehearsal/history-reader.ts is behind it. It stores nothing. */
import type { Snapshot } from "../context/snapshot.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import type { RunTrigger } from "../run/run.ts";
import type { StandingTask } from "../run/task-instance.ts";

/** An event that came by the stream. What somebody brought for one activity alone, over REST or by a foreign start, is none. */
export interface RecordedEvent {
  /** Begins with the time of its record: the order of the lists. */
  row_id: string;
  received_at: Date;
  envelope: EventEnvelope;
}

export interface RecordedRun {
  run_id: string;
  activity_id: string;
  trigger: RunTrigger;
  event_id: string | null;
  scheduled_for: Date | null;
  fired_at: Date;
  version_used: number;
  /** The window whose events it is about; null where it is about one event or none. */
  window_id: string | null;
  /** What its context sources answered; null where none was resolved. */
  context: Snapshot | null;
}

export interface HistoryReader {
  /** The types of recorded events, in their order; the one after `after` is the first, at most `limit` of them. */
  listTypes(page: { after?: string; limit: number }): Promise<string[]>;
  /** Of one type since then, newest first; continue after the event of the row `after`. `bytes`: of the payload as JSON. */
  listEvents(
    type: string,
    page: { since: Date; after?: string; limit: number },
  ): Promise<(RecordedEvent & { bytes: number })[]>;
  /** The newest of several types. */
  listLastEvents(types: readonly string[], limit: number): Promise<RecordedEvent[]>;
  /** Whoever brought it; undefined where it is not kept. */
  findEvent(eventId: string): Promise<RecordedEvent | undefined>;
  findRun(runId: string): Promise<RecordedRun | undefined>;
  /** The events of a window that are kept, in their order. */
  listGathered(windowId: string): Promise<EventEnvelope[]>;
  /** How the tasks of a run stand. */
  listTasks(runId: string): Promise<StandingTask[]>;
  /** The runs that these activities made of these events, without reruns. */
  listRunsOfEvents(activityIds: readonly string[], eventIds: readonly string[]): Promise<RecordedRun[]>;
  /** The runs of due times of an activity, both ends included. */
  listRunsOfDueTimes(activityId: string, from: Date, to: Date): Promise<RecordedRun[]>;
  /** How each of these definitions counts now; those that are deleted or not there are left out. */
  listEnabled(ids: readonly string[]): Promise<ReadonlyMap<string, EnabledState>>;
}

export interface EnabledState {
  enabled: boolean;
  /** Set over REST for a definition from a file: it survives syncs. */
  enabled_override: boolean | null;
}
