/** Which executor does a task type. */
import type { TaskType } from "../definition/schema.ts";
import type { DialDeps } from "./http/dial.ts";
import { createHttpExecutor } from "./http/executor.ts";
import { executeLog } from "./log.ts";
import type { Executor } from "./task.ts";

export function createExecutors(http: DialDeps): Readonly<Record<TaskType, Executor>> {
  return { http: createHttpExecutor(http), log: executeLog };
}
