/**
 * RunActivityWorkflow: claim and decide → one activity per task that is left → close.
 *
 * It only sequences. History holds ids and small decisions (I5); every step may be repeated. A run whose tasks are quick is over
 * with its claim, one local activity in one workflow task; any other costs two workflow tasks and one activity per task.
 */
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  WorkflowExecutionAlreadyStartedError,
} from "@temporalio/common";
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  ContinueAsNew,
  continueAsNew,
  defineSignal,
  executeChild,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  rootCause,
  setHandler,
  sleep,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";
import { hasExactNumber } from "../json/exact-number.ts";
import {
  CANCEL_TASK,
  type Claim,
  type ClaimRequest,
  DECIDING_MS,
  HEARTBEAT_TIMEOUT_MS,
  labelQueue,
  RECORDING_MS,
  type RunClose,
  type RunProgress,
  type RunResult,
  type RunSteps,
  type StartArgument,
  TASK_QUEUE,
  type TaskFailure,
  type TaskStep,
  type TaskSteps,
  taskWorkflowId,
  WORKER_LOST,
} from "../run/run.ts";
import { createTaskCuts, type ExecuteStep, type TaskCuts } from "./task-cuts.ts";
import { doGroups } from "./task-groups.ts";

// Postgres may be away for long: wait for it in the workflow, not in a failed run.
const retry = { initialInterval: "200ms", maximumInterval: "30s" } as const;
const { closeRun, failTasks } = proxyLocalActivities<RunSteps>({ startToCloseTimeout: "20s", retry });
/** Its own limit ends it first: a step that is cut here is made again, and would be for ever. */
const { decideRun } = proxyLocalActivities<RunSteps>({ startToCloseTimeout: DECIDING_MS + 60_000, retry });
/** It does quick tasks too, and what they did must be recorded: on top of that, a minute for claim and tries. */
const { claimRun } = proxyLocalActivities<RunSteps>({ startToCloseTimeout: RECORDING_MS + 60_000, retry });

/** What a context takes on top of its sources' timeouts: its parts are read and recorded. */
const CONTEXT_EXTRA_MS = 60_000;
const contextSteps = (contextMs: number) =>
  proxyActivities<TaskSteps>({
    taskQueue: TASK_QUEUE,
    startToCloseTimeout: contextMs + CONTEXT_EXTRA_MS,
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    retry,
  });

const NOT_RECORDED = `its end was not recorded within ${RECORDING_MS / 60_000} minutes after its timeout`;

const RUN_FAILED = "RunFailed";
type Claimed = Extract<Claim, { outcome: "claimed" }>;

const ACTIVITY_ID = defineSearchAttributeKey("ActivityId", SearchAttributeType.KEYWORD);
const ACTIVITY_NAME = defineSearchAttributeKey("ActivityName", SearchAttributeType.KEYWORD);

export async function RunActivityWorkflow(activity_id: string, trigger_event: StartArgument): Promise<RunResult> {
  const cuts = createTaskCuts(failTasks);
  setHandler(defineSignal<[string]>(CANCEL_TASK), cuts.cut);
  // A run that a cancellation interrupts here would stay open in the ledger. So it is obeyed after the claim.
  const claim = await CancellationScope.nonCancellable(() => claimRun(describeStart(activity_id, trigger_event)));
  if (claim.outcome === "duplicate") return { run_id: claim.run_id, status: "duplicate" };
  labelForeignStart(activity_id, claim.activity_name);
  if (claim.outcome === "queued") return { run_id: claim.run_id, status: "queued" };
  if (claim.outcome === "skipped") return { run_id: claim.run_id, status: "skipped", reason: claim.reason };

  if (claim.closed !== undefined) return endWith(claim.closed);

  const { run_id, rules } = claim;
  const close: RunClose = { run_id, failures: [], reopened: claim.reopened ?? 0 };
  let cancellation: unknown;
  try {
    const result = await within(rules?.timeout_ms, () => doTasks(claim, cuts));
    if (result === "to_be_continued")
      return await continueAsNew<typeof RunActivityWorkflow>(activity_id, trigger_event);
    if (!Array.isArray(result)) return endWith(result);
    close.failures = result;
  } catch (error) {
    if (error instanceof ContinueAsNew || isFailedRun(error)) throw error;
    if (isCancellation(error)) cancellation = error;
    close.interruption = isCancellation(error)
      ? { status: "cancelled" }
      : { status: "failed", reason: reasonOf(error), message: messageOf(error) };
  }
  const result = await CancellationScope.nonCancellable(() => closeRun(close));
  if (cancellation !== undefined) throw cancellation;
  return endWith(result);
}

/** What only the engine knows of the tasks that failed; or how the run was closed on the way; or that it goes on in another execution. */
async function doTasks(claim: Claimed, cuts: TaskCuts): Promise<TaskFailure[] | RunResult | "to_be_continued"> {
  const { run_id, rules } = claim;
  const execute = (step: TaskStep) => cuts.guard(run_id, step, executeStep);
  if (claim.steps !== undefined) return doSteps(claim.steps, execute);
  let groups = claim.groups;
  if (groups === undefined) {
    if (rules?.context_ms !== undefined) await contextSteps(rules.context_ms).resolveContext(run_id);
    // Before there were groups, a history has the steps of all tasks here.
    const decided: RunProgress | TaskStep[] = await decideRun(run_id);
    if (Array.isArray(decided)) return doSteps(decided, execute);
    if ("closed" in decided) return decided.closed;
    groups = decided.groups;
  }
  return doGroups(groups, {
    maxParallel: rules?.max_parallel ?? Number.POSITIVE_INFINITY,
    execute,
    async decideOn(failures) {
      const decided = await decideRun(run_id, failures);
      return "groups" in decided ? decided.groups : [];
    },
    // The engine suggests it long before a history has more events than it may.
    isFull: () => workflowInfo().continueAsNewSuggested,
  });
}

async function doSteps(steps: readonly TaskStep[], execute: ExecuteStep): Promise<TaskFailure[]> {
  const outcomes = await Promise.all(steps.map(execute));
  return outcomes.filter((failure) => failure !== undefined);
}

/** Fails with `run_timeout` where `body` takes longer than `timeoutMs`: what it waits for is cancelled then. */
async function within<T>(timeoutMs: number | undefined, body: () => Promise<T>): Promise<T> {
  if (timeoutMs === undefined) return body();
  const [work, clock] = [new CancellationScope(), new CancellationScope()];
  let isLate = false;
  const ringing = clock
    .run(() => sleep(timeoutMs))
    .then(
      () => {
        isLate = true;
        work.cancel();
      },
      () => {}, // cancelled below, or with the workflow
    );
  try {
    return await work.run(body);
  } catch (error) {
    if (!isLate || !isCancellation(error)) throw error;
    throw ApplicationFailure.nonRetryable("the run was not over within its timeout", "run_timeout");
  } finally {
    clock.cancel();
    await ringing;
  }
}

/** A failed run is a failed workflow. */
function endWith(result: RunResult): RunResult {
  if (result.status === "failed")
    throw ApplicationFailure.nonRetryable(result.reason ?? "the run failed", RUN_FAILED, result);
  return result;
}

/** Undefined when the task finished well; its own failure is in the ledger, this one's is what only the engine knows. */
async function executeStep(step: TaskStep): Promise<TaskFailure | undefined> {
  // Outside of the try: a cancellation that comes meanwhile ends the run.
  if (step.delay_ms !== undefined) await sleep(step.delay_ms);
  try {
    await (step.workflow === undefined ? tryOnWorker(step) : doByWorkflow(step.workflow, step));
    return undefined;
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (error instanceof ActivityFailure) return { task_id: step.task_id, ...describeFailure(error) };
    if (error instanceof ChildWorkflowFailure) return { task_id: step.task_id, message: messageOf(error) };
    throw error;
  }
}

/** A child workflow of ours does the task, and has recorded how it ended; it fails where the task did. */
async function doByWorkflow(workflow: string, step: TaskStep): Promise<void> {
  const { task_id } = step;
  for (let waitMs = 1000; ; waitMs = Math.min(2 * waitMs, 60_000)) {
    try {
      await executeChild(workflow, {
        workflowId: taskWorkflowId(task_id),
        args: [task_id, step],
        parentClosePolicy: "REQUEST_CANCEL",
      });
      return;
    } catch (error) {
      // The one that an earlier execution of the run has left is about to end: that execution's end cancels it.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      await sleep(waitMs);
    }
  }
}

async function tryOnWorker(step: TaskStep): Promise<void> {
  const { executeTask } = proxyActivities<TaskSteps>({
    taskQueue: step.run_on === undefined ? TASK_QUEUE : labelQueue(step.run_on),
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
  await executeTask(step.task_id);
}

/** What Temporal calls a timeout of the activity says nothing to whoever reads why a task failed. */
function describeFailure(error: ActivityFailure): Pick<TaskFailure, "code" | "message"> {
  if (!(error.cause instanceof TimeoutFailure)) return { message: messageOf(error) };
  return error.cause.timeoutType === "HEARTBEAT"
    ? { code: "worker_lost", message: WORKER_LOST }
    : { code: "not_recorded", message: NOT_RECORDED };
}

/** The code of a step that failed for good, such as `expression_failed`; its message says the rest. */
function reasonOf(error: unknown): string | undefined {
  return findOwnFailure(error)?.type ?? undefined;
}

/** The failure that activities/translate.ts made of an error of ours. */
function findOwnFailure(error: unknown): ApplicationFailure | undefined {
  for (let inner = error; inner instanceof Error; inner = inner.cause)
    if (inner instanceof ApplicationFailure && /^[a-z_]+$/.test(inner.type ?? "")) return inner;
  return undefined;
}

/** Thrown by `endWith`, of a run that was closed on the way. */
function isFailedRun(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === RUN_FAILED;
}

function messageOf(error: unknown): string {
  return findOwnFailure(error)?.message ?? rootCause(error) ?? String(error);
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
