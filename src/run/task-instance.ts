/** The tasks of a run, as they are decided and as they stand, and the ids by which they are known (I8). */
import type { Activity, TaskPolicy } from "../definition/activity.ts";
import { childUuid, stableUuid } from "../kernel/stable-id.ts";
import type { TaskStatus, TemplateSources } from "../task/task.ts";
import type { TemplateDecision } from "./decision.ts";

/** A claimed run, by the occurrence that it is about. */
export interface DecidedRun {
  run_id: string;
  /** What kind of occurrence it is, and its key among those of this kind. */
  kind: string;
  key: string;
}

/** A task to do, not yet recorded. */
export interface TaskInstance {
  /** Follows from the run, the task's key and its instance: the same decision made again records the same task. */
  task_id: string;
  /** What the outside knows the task by (I8). Follows from the occurrence, so that it is the same on another ledger. */
  idempotency_key: string;
  key: string;
  /** Which item of the template's `for_each`; null where it has none. */
  instance: number | null;
  type: string;
  params: unknown;
  sources?: TemplateSources;
  policy: TaskPolicy;
  /** The task of the repeated run that succeeded: its result is taken over, and nothing is done. */
  taken?: TakenTask;
}

/** A task that succeeded in the run that this one repeats. */
export interface TakenTask {
  task_id: string;
  key: string;
  instance: number | null;
  params: unknown;
  result: unknown;
}

/** A recorded task of the run, as it stands. */
export interface StandingTask {
  key: string;
  instance: number | null;
  status: TaskStatus;
  /** Whether a try of it was ever begun. */
  has_begun?: boolean;
  /** Read only where a template that is not decided reads the results of this one. */
  result?: unknown;
  error?: unknown;
}

/** In `idempotency_key` the activity counts by its name: its id is another one where it was created anew. */
export function identifyTask(
  { run_id, kind, key }: DecidedRun,
  activityName: string,
  task: string,
  instance: number | null,
): Pick<TaskInstance, "task_id" | "idempotency_key"> {
  const parts = instance === null ? [task] : [task, String(instance)];
  return {
    task_id: childUuid(run_id, "task", ...parts),
    idempotency_key: stableUuid(activityName, kind, key, ...parts),
  };
}

/** The only round of an activity that is plain: every run has the same tasks, all at once. */
export function plainRound(run: DecidedRun, { name, tasks }: Pick<Activity, "name" | "tasks">) {
  const instances = tasks.map(
    ({ key, type, params, policy }): TaskInstance => ({
      ...identifyTask(run, name, key, null),
      ...{ key, instance: null, type, params: params.render({}).value, policy },
    }),
  );
  const templates = tasks.map(({ key }): TemplateDecision => ({ key, outcome: "made", count: 1 }));
  return { round: 1, templates, instances };
}

/** What the task is called within its run. */
export function nameOf({ key, instance }: Pick<TaskInstance, "key" | "instance">): string {
  return JSON.stringify([key, instance]);
}

export function isOpen(status: TaskStatus): boolean {
  return status === "pending" || status === "running" || status === "retrying" || status === "waiting";
}
