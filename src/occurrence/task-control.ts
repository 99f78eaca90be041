/**
 * What a person does to single tasks: cancel an open one, retry one that failed.
 *
 * A request is recorded first and carried out then. While the engine is away the request stands in the ledger, and the finisher
 * carries it out.
 */
import type { Log } from "../kernel/log.ts";
import { orLater } from "../kernel/wait.ts";
import type { AcceptedRun, RunCanceller, RunStarter, RunWorkflow } from "../run/engine.ts";

export interface TaskRequest {
  task_id: string;
  actor: string;
}

/** A task that is to be cancelled, with the workflow of its run. */
export interface CancelledTask extends RunWorkflow {
  task_id: string;
}

/** postgres/occurrence/task-requests.ts is behind it. Each call is one transaction, audited. */
export interface TaskRequestLedger {
  /**
   * Records that the task is to be cancelled; one that has not begun is cancelled by that.
   * @throws TerminalError `not_found`, `task_over`
   */
  requestCancel(request: TaskRequest): Promise<CancelledTask>;
  /**
   * Opens the closed run of a task again, once, with the task pending: its earlier tries are kept, and its policy counts anew. What
   * was skipped because the task had not succeeded is undecided again. The run is owed a workflow then.
   * @throws TerminalError `not_found`, `task_not_over`, `nothing_to_retry`, `run_not_over`, `input_not_kept`
   */
  reopen(request: TaskRequest): Promise<AcceptedRun>;
}

export interface TaskControl {
  /** Asks a task to end as cancelled. One that ends before this reaches it keeps its end. @throws what `requestCancel` throws */
  cancel(request: TaskRequest): Promise<void>;
  /** @throws what `reopen` throws */
  retry(request: TaskRequest): Promise<Pick<AcceptedRun, "run_id" | "workflow_id">>;
}

export interface TaskControlDeps {
  requests: TaskRequestLedger;
  /** Its methods throw RetryableError while the engine was never reached. */
  engine: RunStarter & Pick<RunCanceller, "cancelTask">;
  log: Log;
}

export function createTaskControl({ requests, engine, log }: TaskControlDeps): TaskControl {
  /** What cannot be done while the engine is away is done by the finisher. */
  const leave = (details: object) => (reason: string) =>
    log.warn({ ...details, reason }, "request about a task not carried out yet; the finisher will");

  return {
    async cancel(request) {
      const { task_id } = request;
      const task = await requests.requestCancel(request);
      await orLater(() => engine.cancelTask(task, task_id), leave({ task_id }));
    },

    async retry(request) {
      const run = await requests.reopen(request);
      const { run_id, activity_name, workflow_id } = run;
      log.info({ run_id, activity_name, task_id: request.task_id }, "run opened again to retry a task");
      await orLater(() => engine.start(run), leave({ run_id }));
      return { run_id, workflow_id };
    },
  };
}
