/** What an open task waits for that the ledger does not know of: a worker that is not there, or a workflow of the user's own. */
import { describeCalled } from "../run/call.ts";
import type { QueueInspector } from "../run/engine.ts";
import { labelQueue } from "../run/run.ts";
import { calledWorkflowId, type WorkflowParams } from "../task/workflow/params.ts";
import type { StoredTask, TaskWait } from "./task-view.ts";

/** Null: nothing that the engine knows of. @throws RetryableError `temporal_unavailable` */
export async function findTaskWait(task: StoredTask, queues: QueueInspector): Promise<TaskWait | null> {
  const { type, status, run_on } = task;
  if (run_on !== null && (status === "pending" || status === "retrying")) return findLabelWait(run_on, queues);
  if (type === "workflow" && status === "running") return findWorkflowWait(task, queues);
  return null;
}

async function findLabelWait(label: string, queues: QueueInspector): Promise<TaskWait | null> {
  if (await queues.isPolled(labelQueue(label), "activity")) return null;
  const message = `no worker with the label ${label} is there: start one with ACTCORE_WORKER_LABELS=${label}`;
  return { code: "no_worker", message };
}

async function findWorkflowWait(
  { params, idempotency_key }: StoredTask,
  queues: QueueInspector,
): Promise<TaskWait | null> {
  const called = params as WorkflowParams;
  const { workflow, task_queue } = called;
  const workflow_id = calledWorkflowId(called, idempotency_key);
  const found = await queues.inspectCalled(workflow_id);
  if (found === undefined || !found.isOpen) return null;
  if (found.waitsForWorker && !(await queues.isPolled(task_queue, "workflow"))) {
    const message = `no worker polls the queue ${task_queue}: start one that has the workflow ${workflow}`;
    return { code: "no_worker", message };
  }
  const name = describeCalled({ workflow, task_queue, workflow_id });
  if (found.failure === undefined) return { code: "workflow", message: `${name} goes on` };
  return { code: "workflow_failing", message: `the steps of ${name} fail: ${found.failure}` };
}
