/** From a definition to the tasks of one run. Pure: the same input decides the same tasks with the same ids (I8, I9). */
import { parseDuration } from "../calendar/duration.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import { childUuid } from "../kernel/stable-id.ts";
import type { TaskTemplate } from "../task/types.ts";
import type { TaskStep } from "./run.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RETRY = { max_attempts: 5, initial_interval: "1s", backoff_coefficient: 2, max_interval: "5m" };

/** How often and how long a task is tried. */
export type TaskPolicy = Omit<TaskStep, "task_id">;

/** A task to do, not yet recorded. */
export interface TaskInstance {
  /** Deterministic: the idempotency key to the outside (I8). */
  task_id: string;
  /** Unique within the run. */
  key: string;
  type: TaskTemplate["type"];
  params: TaskTemplate["params"];
  policy: TaskPolicy;
}

export function decideTasks(runId: string, body: Pick<DefinitionBody, "task_templates">): TaskInstance[] {
  return body.task_templates.map((template) => ({
    task_id: childUuid(runId, "task", template.key),
    key: template.key,
    type: template.type,
    params: template.params,
    policy: policyOf(template),
  }));
}

function policyOf({ timeout, retry }: TaskTemplate): TaskPolicy {
  const { max_attempts, initial_interval, backoff_coefficient, max_interval } = { ...DEFAULT_RETRY, ...retry };
  return {
    timeout_ms: timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout),
    max_attempts,
    initial_interval_ms: parseDuration(initial_interval),
    backoff_coefficient,
    max_interval_ms: parseDuration(max_interval),
  };
}
