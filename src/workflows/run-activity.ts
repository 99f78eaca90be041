/**
 * RunActivityWorkflow: claim and decide → one activity per task that is left → close.
 *
 * It only sequences. History holds ids and small decisions (I5); every step may be repeated. A run whose tasks are quick is over
 * with its claim, one local activity in one workflow task; any other costs two workflow tasks and one activity per task.
 */
import { defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  rootCause,
  sleep,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";
import { hasExactNumber } from "../json/exact-number.ts";
import {
  type ClaimRequest,
  HEARTBEAT_TIMEOUT_MS,
  RECORDING_MS,
  type RunClose,
  type RunResult,
  type RunSteps,
  type StartArgument,
  TASK_QUEUE,
  type TaskFailure,
  type TaskStep,
  type TaskSteps,
  WORKER_LOST,
} from "../run/run.ts";

// Postgres may be away for long: wait for it in the workflow, not in a failed run.
const retry = { initialInterval: "200ms", maximumInterval: "30s" } as const;
const { decideRun, closeRun } = proxyLocalActivities<RunSteps>({ startToCloseTimeout: "20s", retry });
/** It does quick tasks too, and what they did must be recorded: on top of that, a minute for claim and tries. */
const { claimRun } = proxyLocalActivities<RunSteps>({ startToCloseTimeout: RECORDING_MS + 60_000, retry });

const NOT_RECORDED = `its end was not recorded within ${RECORDING_MS / 60_000} minutes after its timeout`;

const ACTIVITY_ID = defineSearchAttributeKey("ActivityId", SearchAttributeType.KEYWORD);
const ACTIVITY_NAME = defineSearchAttributeKey("ActivityName", SearchAttributeType.KEYWORD);

export async function RunActivityWorkflow(activity_id: string, trigger_event: StartArgument): Promise<RunResult> {
  // A run that a cancellation interrupts here would stay open in the ledger. So it is obeyed after the claim.
  const claim = await CancellationScope.nonCancellable(() => claimRun(describeStart(activity_id, trigger_event)));
  if (claim.outcome === "duplicate") return { run_id: claim.run_id, status: "duplicate" };
  labelForeignStart(activity_id, claim.activity_name);
  if (claim.outcome === "skipped") return { run_id: claim.run_id, status: "skipped", reason: claim.reason };

  if (claim.closed !== undefined) return endWith(claim.closed);

  const { run_id } = claim;
  const close: RunClose = { run_id, failures: [] };
  let cancellation: unknown;
  try {
    const steps = claim.steps ?? (await decideRun(run_id));
    const outcomes = await Promise.all(steps.map(executeStep));
    close.failures = outcomes.filter((failure) => failure !== undefined);
  } catch (error) {
    if (isCancellation(error)) cancellation = error;
    close.interruption = isCancellation(error)
      ? { status: "cancelled" }
      : { status: "failed", message: messageOf(error) };
  }
  const result = await CancellationScope.nonCancellable(() => closeRun(close));
  if (cancellation !== undefined) throw cancellation;
  return endWith(result);
}

/** A failed run is a failed workflow. */
function endWith(result: RunResult): RunResult {
  if (result.status === "failed")
    throw ApplicationFailure.nonRetryable(result.reason ?? "the run failed", "RunFailed", result);
  return result;
}

/** Undefined when the task finished well; its own failure is in the ledger, this one's is what only the engine knows. */
async function executeStep(step: TaskStep): Promise<TaskFailure | undefined> {
  const { executeTask } = proxyActivities<TaskSteps>({
    taskQueue: TASK_QUEUE,
    // The worker ends an attempt by the task's own timeout; what comes on top is for recording it while Postgres is away.
    startToCloseTimeout: step.timeout_ms + RECORDING_MS,
    // A worker that is lost is known by its silence.
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    retry: {
      maximumAttempts: step.max_attempts,
      initialInterval: step.initial_interval_ms,
      backoffCoefficient: step.backoff_coefficient,
      maximumInterval: Math.max(step.max_interval_ms, step.initial_interval_ms),
    },
  });
  // Outside of the try: a cancellation that comes meanwhile ends the run.
  if (step.delay_ms !== undefined) await sleep(step.delay_ms);
  try {
    await executeTask(step.task_id);
    return undefined;
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    return { task_id: step.task_id, ...describeFailure(error) };
  }
}

/** What Temporal calls a timeout of the activity says nothing to whoever reads why a task failed. */
function describeFailure(error: ActivityFailure): Pick<TaskFailure, "code" | "message"> {
  if (!(error.cause instanceof TimeoutFailure)) return { message: messageOf(error) };
  return error.cause.timeoutType === "HEARTBEAT"
    ? { code: "worker_lost", message: WORKER_LOST }
    : { code: "not_recorded", message: NOT_RECORDED };
}

function messageOf(error: unknown): string {
  return rootCause(error) ?? String(error);
}

function describeStart(activity_id: string, trigger_event: StartArgument): ClaimRequest {
  const { workflowId, firstExecutionRunId, searchAttributes } = workflowInfo();
  const scheduledFor = searchAttributes.TemporalScheduledStartTime?.[0];
  return {
    activity_id,
    ...(hasExactNumber(trigger_event)
      ? { trigger_event: {}, trigger_event_json: JSON.stringify(trigger_event) }
      : { trigger_event: trigger_event ?? {} }),
    workflow_id: workflowId,
    first_execution_run_id: firstExecutionRunId,
    ...(scheduledFor instanceof Date && { scheduled_for: scheduledFor.toISOString() }),
  };
}

/** The router and schedules set the search attributes at the start; somebody else's start gets them here. */
function labelForeignStart(activity_id: string, activity_name: string): void {
  if (workflowInfo().typedSearchAttributes.get(ACTIVITY_ID) === activity_id) return;
  upsertSearchAttributes([
    { key: ACTIVITY_ID, value: activity_id },
    { key: ACTIVITY_NAME, value: activity_name },
  ]);
}
