/** One try of one task: do it, and record how it ended, however long the ledger is away. */
import { ActcoreError, describeError, describeWithHint, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { aborted, createBackoff, sleep } from "../kernel/wait.ts";
import { maskError } from "../secret/mask-error.ts";
import type { Secrets } from "../secret/secrets.ts";
import { renderSources } from "../secret/with-secrets.ts";
import { isStop, STOP } from "../task/stop.ts";
import type { Executor, TaskAttempt, TaskError, TaskLedger } from "../task/task.ts";

const CUT_BY_STOP = "cut by a stop of the worker; what it had begun may have taken effect";

export interface TriesDeps {
  tasks: TaskLedger;
  executors: Readonly<Record<string, Executor>>;
  secrets: Secrets;
  metrics: Metrics;
  log: Log;
}

/** How a try ended, with secrets masked; not recorded yet. */
export type TryEnd = { ok: true; result: unknown } | { ok: false; error: unknown; final: boolean };

/** What is known of a try once it is made. */
export type Tried = Pick<TaskAttempt, "task_id" | "key" | "type" | "attempt" | "trace_id"> & {
  input: { run: Pick<TaskAttempt["input"]["run"], "run_id" | "activity_name"> };
};

export type Tries = ReturnType<typeof createTries>;

export function createTries({ tasks, executors, secrets, metrics, log }: TriesDeps) {
  const logOf = ({ key, attempt, trace_id, input: { run } }: Tried) =>
    log.child({ activity_name: run.activity_name, run_id: run.run_id, task_key: key, attempt, trace_id });

  async function execute(task: TaskAttempt, signal: AbortSignal): Promise<unknown> {
    const executor = executors[task.type];
    if (executor === undefined)
      throw new TerminalError(
        "task_type_unknown",
        `task ${task.task_id}: this worker has no executor for type ${task.type}`,
      );
    // Only the executor gets params with secrets in them (I10).
    const params = renderSources(task.params, task.sources ?? {}, secrets, "params");
    try {
      return await executor({ ...task, params }, { signal, log: logOf(task) });
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

  /** Counts and logs a try whose end is recorded. */
  function report(task: Tried, end: TryEnd): void {
    metrics.tasks.inc({ type: task.type, status: end.ok ? "succeeded" : end.final ? "failed" : "retrying" });
    if (end.ok) return;
    logOf(task).warn({ reason: describeError(end.error) }, end.final ? "task failed" : "task attempt failed");
  }

  return {
    patiently,
    report,

    async make(task: TaskAttempt, cancelled: AbortSignal): Promise<TryEnd> {
      metrics.tasksInFlight.inc();
      try {
        const signal = AbortSignal.any([cancelled, AbortSignal.timeout(task.timeout_ms)]);
        return { ok: true, result: secrets.maskJson(await execute(task, signal)) };
      } catch (error) {
        return toTryEnd(maskError(error, secrets));
      } finally {
        metrics.tasksInFlight.dec();
      }
    },

    /** Answers the end as it could be recorded: a result that the ledger refuses makes it a failure. */
    async record(task: Tried, end: TryEnd, cancelled: AbortSignal): Promise<TryEnd> {
      const { task_id, attempt } = task;
      let recorded = end;
      if (recorded.ok) {
        const { result } = recorded;
        try {
          await patiently(() => tasks.succeed(task_id, attempt, result), cancelled);
        } catch (error) {
          recorded = toTryEnd(error);
        }
      }
      if (!recorded.ok) {
        const { error, final } = recorded;
        await patiently(() => (final ? tasks.fail : tasks.retry)(task_id, attempt, toTaskError(error)), cancelled);
      }
      report(task, recorded);
      return recorded;
    },
  };
}

const toTryEnd = (error: unknown): TryEnd => ({ ok: false, error, final: error instanceof TerminalError });

/** Aborts as an activity does, `graceMs` after `signal`: a local activity hears nothing of a stop from the SDK. */
export function stopAfter(signal: AbortSignal, graceMs: number): AbortSignal {
  const stop = new AbortController();
  void aborted(signal).then(() => setTimeout(() => stop.abort(new Error(STOP)), graceMs).unref());
  return stop.signal;
}

export function toTaskError(error: unknown): TaskError {
  const message = describeWithHint(error);
  if (!(error instanceof ActcoreError)) return { code: error instanceof Error ? error.name : "error", message };
  const { code, details } = error;
  return { code, message, ...(Object.keys(details).length > 0 && { details }) };
}
