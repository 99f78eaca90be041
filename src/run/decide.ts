/** From an activity to the tasks of one run. Pure: the same input decides the same tasks with the same ids (I8, I9). */
import type { Activity, ActivityTask, TaskPolicy } from "../definition/activity.ts";
import { childUuid, stableUuid } from "../kernel/stable-id.ts";
import type { TaskStep } from "./run.ts";

/** A task to do, not yet recorded. */
export interface TaskInstance extends ActivityTask {
  /** Follows from the run and the task's key: the same decision made again records the same task. */
  task_id: string;
  /** What the outside knows the task by (I8). Follows from the occurrence, so that it is the same on another ledger. */
  idempotency_key: string;
}

/** A claimed run, by the occurrence that it is about. */
export interface DecidedRun {
  run_id: string;
  /** Of the occurrence. */
  kind: string;
  key: string;
}

/** In `idempotency_key` the activity counts by its name: its id is another one where it was created anew. */
export function decideTasks(
  { run_id, kind, key }: DecidedRun,
  { name, tasks }: Pick<Activity, "name" | "tasks">,
): TaskInstance[] {
  return tasks.map((task) => ({
    task_id: childUuid(run_id, "task", task.key),
    idempotency_key: stableUuid(name, kind, key, task.key),
    ...task,
  }));
}

/**
 * What is left of a task after `attempts` tries, the last of which failed for now and may have said when to try again.
 * Undefined where no try is left.
 */
export function stepAfter(
  task_id: string,
  policy: TaskPolicy,
  attempts: number,
  waitMs?: number,
): TaskStep | undefined {
  const { max_attempts, initial_interval_ms, backoff_coefficient, max_interval_ms } = policy;
  if (attempts >= max_attempts) return undefined;
  const longest = Math.max(max_interval_ms, initial_interval_ms);
  const waitAfter = (tries: number) => Math.min(initial_interval_ms * backoff_coefficient ** (tries - 1), longest);
  return {
    ...{ task_id, ...policy, max_attempts: max_attempts - attempts },
    delay_ms: Math.round(waitMs ?? waitAfter(attempts)),
    initial_interval_ms: Math.round(waitAfter(attempts + 1)),
  };
}
