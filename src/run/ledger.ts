/**
 * The port through which claimed runs are decided and closed; postgres/run/run-ledger.ts is behind it. Each method may be called
 * again with the same arguments: it then answers what stands there.
 */
import type { ActivityRow, TaskPolicy } from "../definition/activity.ts";
import type { TaskAttempt, TaskError, TaskStatus } from "../task/task.ts";
import type { DecidedRun, TaskInstance } from "./decide.ts";
import type { RunClose, RunResult } from "./run.ts";

/** A task as it stands with the decision of its run. */
export interface DecidedTask {
  task_id: string;
  policy: TaskPolicy;
  status: TaskStatus;
  /** Tries that were begun. */
  attempts: number;
}

export interface Decision {
  tasks: DecidedTask[];
  /** First tries that this very decision began: whoever asked for it makes them. */
  begun: TaskAttempt[];
}

/** How a task ended in the try that was begun with the decision. */
export type TaskOutcome =
  | { task_id: string; status: "succeeded"; result: unknown }
  | { task_id: string; status: "failed"; error: TaskError };

/** How a run stands after a request to close it. */
export interface ClosedRun extends RunResult {
  activity: { activity_id: string; activity_name: string };
  /** Whether it was this request that closed it. */
  closedNow: boolean;
}

export interface RunLedger {
  /** The occurrence, and the version that the claim pinned; undefined for an unknown run. */
  findPinned(runId: string): Promise<(DecidedRun & { activity: ActivityRow }) | undefined>;
  /**
   * Records the decision once; answers the one that stands. A new one begins the first try of each task that `begin` names, in
   * the same commit: it is recorded before it is made (I8). @throws TerminalError `run_not_found`
   */
  recordDecision(runId: string, tasks: readonly TaskInstance[], begin?: ReadonlySet<string>): Promise<Decision>;
  /**
   * Records `outcomes`, names every other unfinished task as failed (or cancelled), and closes the run by its tasks. The run
   * stays open (`running`) where a task of `outcomes` is finished already or has begun a later try.
   */
  close(request: RunClose & { outcomes?: readonly TaskOutcome[] }): Promise<ClosedRun>;
}
