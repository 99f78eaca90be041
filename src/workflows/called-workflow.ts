/**
 * CalledWorkflow: does a `workflow` task, as a child of its run: begin a try in the ledger → start the user's workflow → record how it
 * ended, and try again where the task's policy says so. The arguments and the result of the user's workflow stand in this history
 * and not in the run's.
 */
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  WorkflowExecutionAlreadyStartedError,
} from "@temporalio/common";
import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  ChildWorkflowFailure,
  type ChildWorkflowHandle,
  isCancellation,
  proxyLocalActivities,
  rootCause,
  sleep,
  startChild,
  TerminatedFailure,
  TimeoutFailure,
  type Workflow,
} from "@temporalio/workflow";
import { type Call, type CallEnd, type CallSteps, describeCalled, MAX_CALL_RESULT_BYTES } from "../run/call.ts";
import type { TaskStep } from "../run/run.ts";
import { stepAfter } from "../run/step-after.ts";
import { UnreadableValue } from "./unreadable-value.ts";

const { beginCall, endCall } = proxyLocalActivities<CallSteps>({
  startToCloseTimeout: "20s",
  // Postgres may be away for long: wait for it in the workflow, not in a failed run.
  retry: { initialInterval: "200ms", maximumInterval: "30s" },
});

const ACTIVITY_ID = defineSearchAttributeKey("ActivityId", SearchAttributeType.KEYWORD);
const ACTIVITY_NAME = defineSearchAttributeKey("ActivityName", SearchAttributeType.KEYWORD);

type CallFailure = Extract<CallEnd, { ok: false }>;

/** Fails where the task did; is cancelled where the task was, and the user's workflow did not succeed all the same. */
export async function CalledWorkflow(task_id: string, step: TaskStep): Promise<void> {
  for (let tries = 1; ; tries++) {
    const call = await CancellationScope.nonCancellable(() => beginCall(task_id));
    if (call === undefined) return;
    const end = await makeCall(call);
    const next = stepAfter(task_id, step, tries);
    const { args: _, ...about } = call;
    const isCancelled = CancellationScope.current().consideredCancelled;
    // What is cancelled stays open in the ledger: whoever cancelled it says how it ends.
    const failure = await CancellationScope.nonCancellable(() =>
      endCall(about, end.ok ? end : { ...end, again: isCancelled || (end.again && next !== undefined) }),
    );
    if (failure === undefined) return;
    if (isCancelled) throw new CancelledFailure(failure.message);
    if (!failure.again || next === undefined) throw ApplicationFailure.nonRetryable(failure.message, failure.code);
    await sleep(next.delay_ms ?? 0);
  }
}

async function makeCall(call: Call): Promise<CallEnd> {
  const { workflow, task_queue, args, wait, timeout_ms, workflow_id, tried } = call;
  const { activity_id, activity_name } = tried.input.run;
  try {
    const child = await startChild(workflow, {
      args,
      taskQueue: task_queue,
      workflowId: workflow_id,
      // What has succeeded is not done again; what has failed is, under the same id.
      workflowIdReusePolicy: "ALLOW_DUPLICATE_FAILED_ONLY",
      typedSearchAttributes: [
        { key: ACTIVITY_ID, value: activity_id },
        { key: ACTIVITY_NAME, value: activity_name },
      ],
      // This workflow ends before the other one only where that one was cancelled and does not end.
      ...(wait
        ? { workflowExecutionTimeout: timeout_ms, parentClosePolicy: "TERMINATE" }
        : { parentClosePolicy: "ABANDON" }),
    });
    if (!wait) return succeeded({ workflow_id: child.workflowId, run_id: child.firstExecutionRunId });
    return await untilItsEnd(child, call);
  } catch (error) {
    return { ok: false, ...describeFailure(error, call) };
  }
}

/** Rejects as the user's workflow does. One whose workers are away does not hear that it is cancelled, and is not waited for. */
async function untilItsEnd(child: ChildWorkflowHandle<Workflow>, call: Call): Promise<CallEnd> {
  const tooLate = CancellationScope.current().cancelRequested.catch(() =>
    CancellationScope.nonCancellable(() => sleep(call.cancel_ms)),
  );
  return Promise.race([
    child.result().then((result) => describeResult(result, call)),
    tooLate.then(() =>
      failed(
        "workflow_cancelled",
        `${describeCalled(call)} was cancelled, did not end within ${call.cancel_ms / 1000} s, and was terminated`,
      ),
    ),
  ]);
}

function describeResult(result: unknown, call: Call): CallEnd {
  if (result instanceof UnreadableValue || ArrayBuffer.isView(result)) {
    const reason = result instanceof UnreadableValue ? result.reason : "it is bytes, and no JSON";
    return failed(
      "workflow_result_unreadable",
      `${describeCalled(call)} succeeded, and its result cannot be read: ${reason}`,
    );
  }
  return succeeded(result, call);
}

function succeeded(result: unknown, call?: Call): CallEnd {
  const result_json = JSON.stringify(result ?? null);
  const { byteLength } = new TextEncoder().encode(result_json);
  if (call === undefined || byteLength <= MAX_CALL_RESULT_BYTES) return { ok: true, result_json };
  return failed(
    "workflow_result_too_large",
    `${describeCalled(call)} succeeded, and its result has ${byteLength} bytes, of at most ${MAX_CALL_RESULT_BYTES} that are kept: let it answer where the data is`,
  );
}

/** Of a workflow that has done its work, so that it is not made again; or of one that is not wanted any more. */
function failed(code: CallFailure["code"], message: string): CallFailure {
  return { ok: false, code, message, again: false };
}

function describeFailure(error: unknown, call: Call): Omit<CallFailure, "ok"> {
  const name = describeCalled(call);
  const cause = error instanceof ChildWorkflowFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure)
    return { code: "workflow_timeout", message: `${name} was not over within ${call.timeout_ms} ms`, again: true };
  if (cause instanceof TerminatedFailure)
    return { code: "workflow_terminated", message: `${name} was terminated`, again: true };
  if (isCancellation(error)) return { code: "workflow_cancelled", message: `${name} was cancelled`, again: false };
  if (cause instanceof WorkflowExecutionAlreadyStartedError)
    return {
      code: "workflow_id_taken",
      message: `${name}: a workflow with this id is going on already, or has succeeded`,
      again: true,
    };
  const message = `${name} failed: ${rootCause(error) ?? String(error)}`;
  if (!(cause instanceof ApplicationFailure)) return { code: "workflow_failed", message, again: true };
  // It says itself that trying again cannot help.
  const details = { type: cause.type ?? null, non_retryable: cause.nonRetryable === true };
  return { code: "workflow_failed", message, details, again: cause.nonRetryable !== true };
}
