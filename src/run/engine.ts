/** The ports to the engine that runs the workflows of runs: start one, cancel one, see how one is doing. */

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

/** A run that is owed and has its row already: it was asked for over REST, or the reconciler made it. */
export interface AcceptedRun extends OwedRun {
  run_id: string;
  /** Set where it waits for the gates of its activity: it is started when they let it in. */
  waits?: true;
}

/** The port through which runs are started; temporal/run-starter.ts is behind it. */
export interface RunStarter {
  /**
   * Answers the workflow id under which the run is started; starting what is started already is a success.
   * @throws RetryableError `temporal_unavailable`; TerminalError `workflow_id_taken` where a workflow that is not the run's
   * has its id: occurrence/owed-starter.ts knows what to do
   */
  start(run: OwedRun): Promise<string>;
}

/** temporal/run-starter.ts is behind it. */
export interface RunCanceller {
  /** Whether an open workflow of the run was there to be asked. @throws RetryableError `temporal_unavailable` */
  cancel(workflow: RunWorkflow): Promise<boolean>;
  /** Lets an open workflow of the run cut what it does of one task; false: none is there. @throws RetryableError `temporal_unavailable` */
  cancelTask(workflow: RunWorkflow, taskId: string): Promise<boolean>;
}

export interface WorkflowView {
  /**
   * `open`, `missing`, `foreign` (the workflow of that id is not the run's), or how the workflow closed: `completed`,
   * `failed`, `canceled`, `terminated`, `timed_out`, …
   */
  state: string;
  /** Names the execution that was looked at; absent when it is missing. */
  execution?: string;
  /** Of an open one: how often its next step was tried. */
  attempt?: number;
}

/** temporal/run-inspector.ts is behind it. Each throws RetryableError `temporal_unavailable`. */
export interface RunInspector {
  inspect(workflow: RunWorkflow): Promise<WorkflowView>;
  /** Ids of open workflows of our type whose steps fail, whether or not the ledger knows them; an older engine names none. */
  listFailing(): Promise<string[]>;
  /** How the last step of an execution failed; undefined when it did not fail, or timed out. */
  findTaskFailure(workflowId: string, execution: string): Promise<string | undefined>;
  /** Ends that execution at once, if it is open. */
  terminate(workflowId: string, execution: string, reason: string): Promise<void>;
}

/** A workflow of a user's own that a `workflow` task has started. */
export interface CalledView {
  isOpen: boolean;
  /** Whether a worker has begun it. */
  begun: boolean;
  /** Of an open one: whether its next step waits for a worker. */
  waitsForWorker: boolean;
  /** How its last step failed, where that was not followed by another one. */
  failure?: string;
}

/** What tasks wait for; temporal/queue-inspector.ts is behind it. Each throws RetryableError `temporal_unavailable`. */
export interface QueueInspector {
  /** Whether a worker has asked the queue for work of this kind within the last minute and a half. */
  isPolled(queue: string, kind: "workflow" | "activity"): Promise<boolean>;
  /** The newest workflow of that id; undefined where the engine knows none. */
  inspectCalled(workflowId: string): Promise<CalledView | undefined>;
}
