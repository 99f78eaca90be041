/** One try of one task: begin in the ledger, do, record how it ended. */
import { Context } from "@temporalio/activity";
import { ActcoreError, describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { isUuid } from "../kernel/stable-id.ts";
import { createBackoff, sleep } from "../kernel/wait.ts";
import { HEARTBEAT_TIMEOUT_MS, type TaskSteps } from "../run/run.ts";
import type { Executor, TaskAttempt, TaskError, TaskLedger } from "../task/task.ts";
import { translated } from "./translate.ts";

const CUT_BY_STOP = "cut by a stop of the worker; what it had begun may have taken effect";

export interface TaskStepsDeps {
  tasks: TaskLedger;
  executors: Readonly<Record<string, Executor>>;
  metrics: Metrics;
  log: Log;
  /** Told of each try that a stop of the worker cut. */
  onCut(): void;
}

export function createTaskSteps({ tasks, executors, metrics, log, onCut }: TaskStepsDeps): TaskSteps {
  async function execute(task: TaskAttempt, signal: AbortSignal, taskLog: Log): Promise<unknown> {
    const executor = executors[task.type];
    if (executor === undefined)
      throw new TerminalError(
        "task_type_unknown",
        `task ${task.task_id}: this worker has no executor for type ${task.type}`,
      );
    try {
      return await executor(task, { signal, log: taskLog });
    } catch (error) {
      // What the executor learnt before its time was over says more than that it was.
      if (error instanceof ActcoreError) throw error;
      if (isStop(signal.reason)) throw new RetryableError("worker_stopped", CUT_BY_STOP);
      if ((signal.reason as Error | undefined)?.name !== "TimeoutError") throw error;
      throw new RetryableError("task_timeout", `no end within ${task.timeout_ms} ms`, { cause: error });
    }
  }

  /** Waits for a ledger that is away: what the task did must not be done again because it could not be recorded. */
  async function patiently<T>(call: () => Promise<T>, cancelled: AbortSignal): Promise<T> {
    for (const backoff = createBackoff(); ; ) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof RetryableError) || cancelled.aborted) throw error;
        log.warn({ reason: describeError(error) }, "task waits for its ledger");
        await sleep(backoff.next(), cancelled);
      }
    }
  }

  return {
    executeTask: translated(async (taskId) => {
      // Somebody else's workflow can ask for anything.
      if (!isUuid(taskId)) throw new TerminalError("task_not_found", "executeTask: its argument is no task's id");
      const context = Context.current();
      const cancelled = context.cancellationSignal;
      const beating = setInterval(() => context.heartbeat(), HEARTBEAT_TIMEOUT_MS / 5);
      try {
        const task = await patiently(() => tasks.begin(taskId), cancelled);
        if (task !== undefined) await attempt(task, cancelled);
      } catch (error) {
        if (isStop(cancelled.reason) && !(error instanceof TerminalError)) onCut();
        throw error;
      } finally {
        clearInterval(beating);
      }
    }),
  };

  async function attempt(task: TaskAttempt, cancelled: AbortSignal): Promise<void> {
    const { task_id, key, type, attempt, trace_id } = task;
    const { run_id, activity_name } = task.input.run;
    const taskLog = log.child({ activity_name, run_id, task_key: key, attempt, trace_id });
    metrics.tasksInFlight.inc();
    try {
      const result = await execute(task, AbortSignal.any([cancelled, AbortSignal.timeout(task.timeout_ms)]), taskLog);
      await patiently(() => tasks.succeed(task_id, attempt, result), cancelled);
      metrics.tasks.inc({ type, status: "succeeded" });
    } catch (error) {
      const final = error instanceof TerminalError;
      await patiently(() => (final ? tasks.fail : tasks.retry)(task_id, attempt, toTaskError(error)), cancelled);
      metrics.tasks.inc({ type, status: final ? "failed" : "retrying" });
      taskLog.warn({ reason: describeError(error) }, final ? "task failed" : "task attempt failed");
      throw error;
    } finally {
      metrics.tasksInFlight.dec();
    }
  }
}

/** The SDK has no other mark for it than the text of the reason. */
function isStop(reason: unknown): boolean {
  return (reason as Error | undefined)?.message === "WORKER_SHUTDOWN";
}

function toTaskError(error: unknown): TaskError {
  const message = describeError(error);
  if (!(error instanceof ActcoreError)) return { code: error instanceof Error ? error.name : "error", message };
  const { code, details } = error;
  return { code, message, ...(Object.keys(details).length > 0 && { details }) };
}
