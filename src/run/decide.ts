/** From an activity to the tasks of one run. Pure: the same input decides the same tasks with the same ids (I8, I9). */
import type { Activity, ActivityTask } from "../definition/activity.ts";
import { childUuid } from "../kernel/stable-id.ts";

/** A task to do, not yet recorded. */
export interface TaskInstance extends ActivityTask {
  /** Deterministic: the idempotency key to the outside (I8). */
  task_id: string;
}

export function decideTasks(runId: string, { tasks }: Pick<Activity, "tasks">): TaskInstance[] {
  return tasks.map((task) => ({ task_id: childUuid(runId, "task", task.key), ...task }));
}
