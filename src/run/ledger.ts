/**
 * The port through which claimed runs are decided and closed; postgres/run/run-ledger.ts is behind it. Each method may be called
 * again with the same arguments: it then answers what stands there.
 */
import type { ActivityRow } from "../definition/activity.ts";
import type { DecidedRun, TaskInstance } from "./decide.ts";
import type { RunClose, RunResult, TaskStep } from "./run.ts";

/** How a run stands after a request to close it. */
export interface ClosedRun extends RunResult {
  activity: { activity_id: string; activity_name: string };
  /** Whether it was this request that closed it. */
  closedNow: boolean;
}

export interface RunLedger {
  /** The occurrence, and the version that the claim pinned; undefined for an unknown run. */
  findPinned(runId: string): Promise<(DecidedRun & { activity: ActivityRow }) | undefined>;
  /** Records the decision once; answers the steps of the decision that stands. @throws TerminalError `run_not_found` */
  recordDecision(runId: string, tasks: readonly TaskInstance[]): Promise<TaskStep[]>;
  /** Names every unfinished task as failed (or cancelled) and closes the run by its tasks. */
  close(request: RunClose): Promise<ClosedRun>;
}
