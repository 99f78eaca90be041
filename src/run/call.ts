/** A `workflow` task, as the workflow that does it sees it. Types and names only: workflow code imports it (I9). */

/** A try of the task that has begun: the workflow of the user that is to be started for it. */
export interface Call {
  tried: Tried;
  workflow: string;
  task_queue: string;
  args: unknown[];
  /** Whether its end is waited for. */
  wait: boolean;
  /** How long it may take, milliseconds; it counts where its end is waited for. */
  timeout_ms: number;
  /** How long it may take to end when it is cancelled, milliseconds. */
  cancel_ms: number;
  workflow_id: string;
}

/** Which try it is, and whose. */
export interface Tried {
  task_id: string;
  attempt: number;
  key: string;
  type: string;
  trace_id: string;
  input: { run: { run_id: string; activity_id: string; activity_name: string } };
}

/** How a try ended. */
export type CallEnd =
  /** The result as JSON, so that no number is changed on its way. */
  | { ok: true; result_json: string }
  | { ok: false; code: CallFailureCode; message: string; details?: Record<string, unknown>; again: boolean };

/** `no_worker` is made of `workflow_timeout` where no worker had begun it. */
export type CallFailureCode =
  | "no_worker"
  | "workflow_cancelled"
  | "workflow_failed"
  | "workflow_id_taken"
  | "workflow_result_too_large"
  | "workflow_result_unreadable"
  | "workflow_terminated"
  | "workflow_timeout";

/** The steps of CalledWorkflow that the orchestrator does as local activities; each may be repeated (activities/call-steps.ts). */
export interface CallSteps {
  /** Begins a try in the ledger. Undefined: the task is over. */
  beginCall(taskId: string): Promise<Call | undefined>;
  /** Records how a try ended; answers why it counts as failed. Undefined: the task has succeeded. */
  endCall(
    call: Omit<Call, "args">,
    end: CallEnd,
  ): Promise<{ code: string; message: string; again: boolean } | undefined>;
}

/** The workflow of a call, as messages name it. */
export function describeCalled({
  workflow,
  task_queue,
  workflow_id,
}: Pick<Call, "workflow" | "task_queue" | "workflow_id">): string {
  return `workflow ${workflow} on the queue ${task_queue} (${workflow_id})`;
}

/** Bytes of a workflow's result, as JSON, that the ledger keeps. */
export const MAX_CALL_RESULT_BYTES = 262_144;
