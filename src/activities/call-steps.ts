/** The steps of CalledWorkflow, bridged to the ledger. Local activities, safe to repeat. */
import { Context } from "@temporalio/activity";
import { parseJson } from "../json/parse.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";
import type { Call, CallEnd, CallSteps } from "../run/call.ts";
import type { QueueInspector } from "../run/engine.ts";
import { maskError } from "../secret/mask-error.ts";
import type { Secrets } from "../secret/secrets.ts";
import type { TaskLedger } from "../task/task.ts";
import { calledWorkflowId, type WorkflowParams } from "../task/workflow/params.ts";
import { translated } from "./translate.ts";
import { type Tries, type TryEnd, toTaskError } from "./tries.ts";

/** As long as the stop of a process may take. */
const CANCEL_MS = 30_000;

export interface CallStepsDeps {
  tasks: TaskLedger;
  tries: Pick<Tries, "record">;
  secrets: Secrets;
  queues: Pick<QueueInspector, "inspectCalled">;
}

export function createCallSteps({ tasks, tries, secrets, queues }: CallStepsDeps): CallSteps {
  function toTryEnd(end: CallEnd): TryEnd {
    if (end.ok) return { ok: true, result: secrets.maskJson(parseJson(end.result_json)) };
    const { code, message, details, again } = end;
    const error = new (again ? RetryableError : TerminalError)(code, message, { ...(details && { details }) });
    return { ok: false, error: maskError(error, secrets), final: !again };
  }

  /** Of one that was not over in time, the engine knows more than its workflow does. */
  async function explainTimeout(call: Omit<Call, "args">, end: CallEnd): Promise<CallEnd> {
    if (end.ok || end.code !== "workflow_timeout") return end;
    const called = await queues.inspectCalled(call.workflow_id);
    if (called?.begun === false)
      return { ...end, code: "no_worker", message: `${end.message}: no worker of that queue has begun it` };
    if (called?.failure === undefined) return end;
    return { ...end, message: `${end.message}: its steps failed, the last one with: ${called.failure}` };
  }

  return {
    beginCall: translated(async (taskId) => {
      // Somebody else's workflow can ask for anything.
      if (!isUuid(taskId)) throw new TerminalError("task_not_found", "beginCall: its argument is no task's id");
      const task = await tasks.begin(taskId);
      if (task === undefined) return undefined;
      const { task_id, attempt, key, type, trace_id, idempotency_key, timeout_ms, input } = task;
      if (type !== "workflow") throw new TerminalError("task_type_unknown", `task ${taskId} is no workflow task`);
      const params = task.params as WorkflowParams;
      const { workflow, task_queue, args = [input], wait = true } = params;
      const { run_id, activity_id, activity_name } = input.run;
      return {
        tried: { task_id, attempt, key, type, trace_id, input: { run: { run_id, activity_id, activity_name } } },
        ...{ workflow, task_queue, args, wait, timeout_ms, cancel_ms: CANCEL_MS },
        workflow_id: calledWorkflowId(params, idempotency_key),
      };
    }),

    endCall: translated(async (call, end) => {
      const explained = toTryEnd(await explainTimeout(call, end));
      const recorded = await tries.record(call.tried, explained, Context.current().cancellationSignal);
      if (recorded.ok) return undefined;
      const { code, message } = toTaskError(recorded.error);
      return { code, message, again: !recorded.final };
    }),
  };
}
