/** Which executor does a task type. */

import type { DialDeps } from "./http/dial.ts";
import { createHttpExecutor } from "./http/executor.ts";
import { executeLog } from "./log/executor.ts";
import type { Executor } from "./task.ts";
import type { TaskType } from "./types.ts";

export function createExecutors(http: DialDeps): Readonly<Record<TaskType, Executor>> {
  return { http: createHttpExecutor(http), log: executeLog };
}
