/** The port through which the ledger is read; postgres/explain/ledger-reader.ts is behind it. */
import type { EventSummary, EventView } from "./event-view.ts";
import type { RunSummary, RunView } from "./run-view.ts";
import type { StoredTask, TaskSummary } from "./task-view.ts";

/** Newest first, which is the order of the ids; continue after the row with this one. */
export interface Page {
  limit: number;
  after?: string;
}

/** Fields that a row must have, and since when it was made. */
type Filter<View, Field extends keyof View> = { [F in Field]?: NonNullable<View[F]> } & { since?: Date };
export type RunFilter = Filter<RunSummary, "activity_id" | "status" | "trigger">;
/** The last three find tasks that wait for a person. */
export type TaskFilter = Filter<TaskSummary, "activity_id" | "run_id" | "status" | "key" | "assignee"> & {
  group?: string;
  /** Those that are due by then. */
  due_before?: Date;
};
export type EventFilter = Filter<EventSummary, "type" | "outcome">;
/** `settled`: those that somebody has seen to, or those that nobody has. */
export type DeadLetterFilter = Filter<EventSummary, "type" | "reason"> & { settled?: boolean };

export interface LedgerReader {
  listRuns(filter: RunFilter, page: Page): Promise<RunSummary[]>;
  findRun(runId: string): Promise<RunView | undefined>;
  listTasks(filter: TaskFilter, page: Page): Promise<TaskSummary[]>;
  findTask(taskId: string): Promise<StoredTask | undefined>;
  listEvents(filter: EventFilter, page: Page): Promise<EventSummary[]>;
  /** Events that are dead letters, or were before they were replayed. */
  listDeadLetters(filter: DeadLetterFilter, page: Page): Promise<EventSummary[]>;
  findEvent(eventId: string): Promise<EventView | undefined>;
  countOpenRuns(): Promise<{ running: number; queued: number }>;
}
