/** Who asks a task queue for work, and how a workflow of a user's own is doing. */
import { temporal } from "@temporalio/proto";
import type { QueueInspector, RunInspector } from "../run/engine.ts";
import type { Temporal } from "./connection.ts";
import { describeWorkflow, isOpen } from "./run-inspector.ts";

const Kind = temporal.api.enums.v1.TaskQueueType;
const PendingState = temporal.api.enums.v1.PendingWorkflowTaskState;
/** A worker asks again after a minute at the latest; the engine remembers it for five. */
const POLLED_WITHIN_MS = 90_000;
/** Of one that no worker has begun: started, its first step scheduled, ended. */
const EVENTS_BEFORE_BEGIN = 3;

export function createQueueInspector(
  engine: Temporal,
  { findTaskFailure }: Pick<RunInspector, "findTaskFailure">,
): QueueInspector {
  const { namespace } = engine.client.options;

  return {
    async isPolled(queue, kind) {
      const taskQueueType = kind === "workflow" ? Kind.TASK_QUEUE_TYPE_WORKFLOW : Kind.TASK_QUEUE_TYPE_ACTIVITY;
      const request = { namespace, taskQueue: { name: queue }, taskQueueType };
      const { pollers } = await engine.ask(() => engine.connection.workflowService.describeTaskQueue(request));
      const since = Date.now() / 1000 - POLLED_WITHIN_MS / 1000;
      return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) > since);
    },

    async inspectCalled(workflowId) {
      const found = await describeWorkflow(engine, workflowId);
      if (found === undefined) return undefined;
      const { workflowExecutionInfo: info, pendingWorkflowTask: pending } = found;
      const begun = Number(info?.historyLength ?? 0) > EVENTS_BEFORE_BEGIN;
      const failure = begun ? await findTaskFailure(workflowId, info?.execution?.runId ?? "") : undefined;
      return {
        isOpen: isOpen(found),
        begun,
        waitsForWorker: pending?.state === PendingState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED,
        ...(failure !== undefined && { failure }),
      };
    },
  };
}
