/** One try of one task: begin in the ledger, do, record how it ended. */
import { Context } from "@temporalio/activity";
import { ActcoreError, describeError, RetryableError, TerminalError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { TaskSteps } from "../run/run.ts";
import type { Executor, TaskAttempt, TaskError, TaskLedger } from "../task/task.ts";
import { translated } from "./translate.ts";

export interface TaskStepsDeps {
  tasks: TaskLedger;
  executors: Readonly<Record<string, Executor>>;
  metrics: Metrics;
  log: Log;
}

export function createTaskSteps({ tasks, executors, metrics, log }: TaskStepsDeps): TaskSteps {
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
      if ((signal.reason as Error | undefined)?.name !== "TimeoutError") throw error;
      throw new RetryableError("task_timeout", `no end within ${task.timeout_ms} ms`, { cause: error });
    }
  }

  return {
    executeTask: translated(async (taskId) => {
      const { cancellationSignal } = Context.current();
      const task = await tasks.begin(taskId);
      if (task === undefined) return;

      const taskLog = log.child({
        run: task.input.run.run_id,
        task: task.key,
        attempt: task.attempt,
        trace_id: task.trace_id,
      });
      const signal = AbortSignal.any([cancellationSignal, AbortSignal.timeout(task.timeout_ms)]);
      metrics.tasksInFlight.inc();
      try {
        const result = await execute(task, signal, taskLog);
        await tasks.succeed(taskId, task.attempt, result);
        metrics.tasks.inc({ type: task.type, status: "succeeded" });
      } catch (error) {
        const final = error instanceof TerminalError;
        await (final ? tasks.fail : tasks.retry)(taskId, task.attempt, toTaskError(error));
        metrics.tasks.inc({ type: task.type, status: final ? "failed" : "retrying" });
        taskLog.warn({ reason: describeError(error) }, final ? "task failed" : "task try failed");
        throw error;
      } finally {
        metrics.tasksInFlight.dec();
      }
    }),
  };
}

function toTaskError(error: unknown): TaskError {
  const message = describeError(error);
  if (!(error instanceof ActcoreError)) return { code: error instanceof Error ? error.name : "error", message };
  const { code, details } = error;
  return { code, message, ...(Object.keys(details).length > 0 && { details }) };
}
