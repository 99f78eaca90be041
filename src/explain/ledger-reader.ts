/** The port through which the ledger is read; postgres/explain/ledger-reader.ts is behind it. */
import type { EventSummary, EventView, RunView, TaskView } from "./views.ts";

/** Newest first, which is the order of the ids; continue after the row with this one. */
export interface Page {
  limit: number;
  after?: string;
}

export interface RunFilter {
  activity_id?: string;
  status?: RunView["status"];
  trigger?: RunView["trigger"];
  since?: Date;
}

export interface TaskFilter {
  activity_id?: string;
  run_id?: string;
  status?: TaskView["status"];
  since?: Date;
}

export interface EventFilter {
  type?: string;
  outcome?: EventSummary["outcome"];
  since?: Date;
}

export interface LedgerReader {
  listRuns(filter: RunFilter, page: Page): Promise<RunView[]>;
  findRun(runId: string): Promise<RunView | undefined>;
  listTasks(filter: TaskFilter, page: Page): Promise<TaskView[]>;
  findTask(taskId: string): Promise<TaskView | undefined>;
  listEvents(filter: EventFilter, page: Page): Promise<EventSummary[]>;
  findEvent(eventId: string): Promise<EventView | undefined>;
  countOpenRuns(): Promise<number>;
}
