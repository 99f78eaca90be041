/**
 * Quick tasks, done where their run is claimed: decide and begin (one commit), do side by side, record and close (one commit).
 *
 * A task is tried here at most once, and only if its first try was begun by this very decision. What else is left, because its
 * try failed for now, because too many others wait, or because the worker that began it was lost, is handed on as a step.
 *
 * Where tasks wait for others, each wave of them is done here too, as an activity of its own would do each task.
 */
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { ClosedRun, DecidedTask, NewRound, RunLedger, TaskOutcome } from "../run/ledger.ts";
import { RECORDING_MS, type TaskStep, WORKER_LOST } from "../run/run.ts";
import { stepAfter } from "../run/step-after.ts";
import { isOpen, type TaskInstance } from "../run/task-instance.ts";
import { isStop } from "../task/stop.ts";
import type { TaskAttempt, TaskLedger } from "../task/task.ts";
import type { TaskTypes } from "../task/task-type.ts";
import { type Tries, type TryEnd, toTaskError } from "./tries.ts";

/** Tries that wait for the outside at once, in one process. Each holds a slot of its run's worker (temporal/workers.ts). */
const MAX_WAITING = 32;

/** A task of a wave, which nobody has tried. */
export type QuickTask = Pick<TaskInstance, "task_id" | "type" | "policy">;

export interface QuickTasksDeps {
  runs: RunLedger;
  tasks: Pick<TaskLedger, "begin">;
  tries: Tries;
  types: TaskTypes;
  /** Aborts with the reason of a worker's stop, when there is just time left to record how a try ended. */
  stop: AbortSignal;
  /** Told of each try that a stop of the worker cut. */
  onCut(): void;
}

export function createQuickTasks({ runs, tasks, tries, types, stop, onCut }: QuickTasksDeps) {
  let waiting = 0;

  /** Names the tasks that are tried here, and holds a place for each that waits for the outside. */
  function takePlaces(instances: readonly Pick<TaskInstance, "task_id" | "type" | "taken">[]) {
    const held = new Set<string>();
    const begin = new Set<string>();
    for (const { task_id, type, taken } of instances) {
      if (taken !== undefined) continue;
      const waits = types[type]?.waits ?? true;
      if (waits && waiting >= MAX_WAITING) continue;
      begin.add(task_id);
      if (!waits) continue;
      held.add(task_id);
      waiting++;
    }
    const leave = (id: string) => {
      if (held.delete(id)) waiting--;
    };
    return { begin, leave, leaveAll: () => [...held].forEach(leave) };
  }

  /** What is left of a task that was not begun just now. */
  async function handOn(
    runId: string,
    { task_id, policy, status, attempts }: DecidedTask,
    signal: AbortSignal,
  ): Promise<TaskStep[]> {
    if (attempts === 0) return [{ task_id, ...policy }];
    const step = stepAfter(task_id, policy, attempts);
    if (step !== undefined) return [step];
    const lost = { task_id, code: "worker_lost" as const, message: WORKER_LOST };
    if (status === "running") await tries.patiently(() => runs.failTasks(runId, [lost]), signal);
    return [];
  }

  async function close(runId: string, outcomes: TaskOutcome[], signal: AbortSignal): Promise<ClosedRun> {
    const closed = await tries.patiently(() => runs.close({ run_id: runId, failures: [], outcomes }), signal);
    if (closed.status === "running")
      throw new RetryableError("run_taken_over", `run ${runId}: its tasks were handed on meanwhile`);
    return closed;
  }

  return {
    /** Nothing cuts a try that is made here, so each has to be over within the `leftMs` of the run. */
    areQuick: (instances: readonly Pick<TaskInstance, "type" | "policy">[], leftMs = Number.POSITIVE_INFINITY) =>
      instances.every(({ type, policy }) => {
        const quick = types[type];
        // Whichever worker claims the run does its quick tasks.
        if (policy.run_on !== undefined) return false;
        return quick?.isQuick(policy) === true && (!quick.waits || policy.timeout_ms <= leftMs);
      }),

    /** Answers how the run ended, or what is left to do. @throws RetryableError where the ledger is away */
    async run(runId: string, round: NewRound): Promise<{ closed: ClosedRun } | { steps: TaskStep[] }> {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(RECORDING_MS)]);
      const { begin, leave, leaveAll } = takePlaces(round.instances);
      try {
        const decision = await runs.recordRound(runId, round, begin);
        const begun = new Set(decision.begun.map(({ task_id }) => task_id));
        const others = decision.tasks.filter(({ task_id, status }) => !begun.has(task_id) && isOpen(status));
        const made = await Promise.all(decision.begun.map((task) => make(task).finally(() => leave(task.task_id))));
        const left = (await Promise.all(others.map((task) => handOn(runId, task, signal)))).flat();
        const policies = new Map(decision.tasks.map(({ task_id, policy }) => [task_id, policy]));

        const next = ({ task: { task_id, attempt }, end }: Made): TaskStep[] => {
          const policy = policies.get(task_id);
          if (end.ok || end.final || policy === undefined) return [];
          const waitMs = end.error instanceof RetryableError ? end.error.retryAfterMs : undefined;
          const step = stepAfter(task_id, policy, attempt, waitMs);
          return step === undefined ? [] : [step];
        };
        if (left.length === 0 && made.every((each) => next(each).length === 0)) {
          const closed = await closeWith(runId, made, signal);
          if (closed !== undefined) return { closed };
        }
        const recorded = await Promise.all(
          made.map(async ({ task, end }) => ({ task, end: await tries.record(task, end, signal) })),
        );
        const steps = [...left, ...recorded.flatMap(next)];
        return steps.length > 0 ? { steps } : { closed: await close(runId, [], signal) };
      } finally {
        leaveAll();
      }

      async function make(task: TaskAttempt): Promise<Made> {
        return { task, end: await makeTry(task, signal) };
      }
    },

    /**
     * Tries each task of a wave once and records how it ended; none where there is no place for all of them, or the worker stops.
     * Answers milliseconds by the ids of those that said when they are to be tried again; undefined: none was tried.
     */
    async doWave(wave: readonly QuickTask[]): Promise<ReadonlyMap<string, number> | undefined> {
      if (stop.aborted) return undefined;
      const signal = AbortSignal.any([stop, AbortSignal.timeout(RECORDING_MS)]);
      const { begin, leave, leaveAll } = takePlaces(wave);
      const waits = new Map<string, number>();
      try {
        if (begin.size < wave.length) return undefined;
        await Promise.all(
          wave.map(async ({ task_id, policy }) => {
            const task = await tries.patiently(() => tasks.begin(task_id), signal);
            if (task === undefined) return;
            const made = await makeTry(task, signal).finally(() => leave(task_id));
            const isLast = task.attempt >= policy.max_attempts;
            const end = await tries.record(task, made.ok ? made : { ...made, final: made.final || isLast }, signal);
            if (!end.ok && end.error instanceof RetryableError && end.error.retryAfterMs !== undefined)
              waits.set(task_id, end.error.retryAfterMs);
          }),
        );
        return waits;
      } finally {
        leaveAll();
      }
    },
  };

  async function makeTry(task: TaskAttempt, signal: AbortSignal): Promise<TryEnd> {
    const end = await tries.make(task, signal);
    if (isStop(signal.reason) && !end.ok && !end.final) onCut();
    return end;
  }

  /** Undefined where the ledger refuses what a task answered: then each end is recorded by itself. */
  async function closeWith(runId: string, made: readonly Made[], signal: AbortSignal): Promise<ClosedRun | undefined> {
    try {
      const closed = await close(runId, made.map(toOutcome), signal);
      for (const { task, end } of made) tries.report(task, end);
      return closed;
    } catch (error) {
      if (error instanceof TerminalError && error.code === "not_storable" && made.length > 0) return undefined;
      throw error;
    }
  }
}

interface Made {
  task: TaskAttempt;
  end: TryEnd;
}

function toOutcome({ task: { task_id }, end }: Made): TaskOutcome {
  return end.ok
    ? { task_id, status: "succeeded", result: end.result }
    : { task_id, status: "failed", error: toTaskError(end.error) };
}
