/**
 * The port through which claimed runs are decided and closed; postgres/run/run-ledger.ts is behind it. Each method may be called
 * again with the same arguments: it then answers what stands there.
 */
import type { Snapshot } from "../context/snapshot.ts";
import type { ActivityRow, TaskPolicy } from "../definition/activity.ts";
import type { Values } from "../expression/scope.ts";
import type { TaskAttempt, TaskError, TaskStatus } from "../task/task.ts";
import type { RunDecisions, TemplateDecision } from "./decision.ts";
import type { RunClose, RunResult, TaskFailure } from "./run.ts";
import type { DecidedRun, StandingTask, TakenTask, TaskInstance } from "./task-instance.ts";

/** A task as it stands with the decision of its run. */
export interface DecidedTask {
  task_id: string;
  policy: TaskPolicy;
  status: TaskStatus;
  /** Tries that were begun, as its policy counts them: from the last retry by hand on. */
  attempts: number;
}

export interface RecordedRound {
  /** Whether this call recorded it. Otherwise the round that stands was recorded by another one. */
  isNew: boolean;
  /** All tasks of the run. */
  tasks: DecidedTask[];
  /** First tries that this very call began: whoever asked for it makes them. */
  begun: TaskAttempt[];
}

/** What a run adds in one round. */
export interface NewRound {
  /** 1 is the first one. */
  round: number;
  templates: readonly TemplateDecision[];
  instances: readonly TaskInstance[];
  /** Keys of templates whose recorded tasks are not to be done. */
  skip?: readonly string[];
}

/** By the key of a template: the keys of those whose results it reads. */
export type ResultsRead = Readonly<Record<string, readonly string[]>>;

/** What a run's state is asked for, besides what is always read. */
export interface StateReads {
  results: ResultsRead;
  /** Whether `events` is read: those of a window may be some megabytes. */
  events: boolean;
}

/** How a run stands, and what it is decided by. */
export interface RunState {
  fired_at: Date;
  /** What the run's timeout counts from: when it was fired, or last opened again. */
  countsFrom: Date;
  /** Whether it is closed: nothing is decided any more. */
  isOver: boolean;
  decisions: RunDecisions | undefined;
  /** Whether its tasks are recorded: a release that kept no decisions may have done that. */
  isDecided: boolean;
  /** In the order of their keys and instances; `result` and `error` only of the templates that were asked for. */
  tasks: (StandingTask & DecidedTask)[];
  /** What the expressions of the activity read: those of `valuesOfRun`, and `context` where it was resolved. */
  values: Values;
  /** Undefined until the context is stored. */
  context: Readonly<Record<string, unknown>> | undefined;
  /** Tasks that succeeded in the run that this one repeats, where it takes them over and has not decided. */
  taken: TakenTask[];
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
  /** With the results that templates read which wait for them. @throws TerminalError `run_not_found`, `results_too_large` */
  readState(runId: string, reads: StateReads): Promise<RunState>;
  /** Records the snapshot where none is recorded yet, or only how the sources did where they failed. */
  recordContext(runId: string, snapshot: Pick<Snapshot, "sources"> & Partial<Snapshot>): Promise<void>;
  /**
   * Records a round once, after the one before it; answers the tasks that stand. A new one begins the first try of each task that
   * `begin` names, in the same commit: it is recorded before it is made (I8). @throws TerminalError `run_not_found`
   */
  recordRound(runId: string, round: NewRound, begin?: ReadonlySet<string>): Promise<RecordedRound>;
  /** Records that tasks failed whose last try only the engine saw, where they are not finished. */
  failTasks(runId: string, failures: readonly TaskFailure[]): Promise<void>;
  /**
   * Records `outcomes`, names every other unfinished task as failed (or cancelled), and closes the run by its tasks. The run
   * stays open (`running`) where a task of `outcomes` is finished already or has begun a later try.
   */
  close(request: RunClose & { outcomes?: readonly TaskOutcome[] }): Promise<ClosedRun>;
  /** Closes a run whose activity's `when` does not hold; `detail` says why. */
  skip(runId: string, detail: string, templates: readonly TemplateDecision[]): Promise<ClosedRun>;
  /** Records the first round of a run of a shadow, with its tasks as skipped, and closes the run as skipped. */
  recordShadow(runId: string, round: NewRound): Promise<ClosedRun>;
}
