/** Which executor does a task type. */
import type { TaskType } from "../definition/schema.ts";
import { executeHttp } from "./http/executor.ts";
import { executeLog } from "./log.ts";
import type { Executor } from "./task.ts";

export const EXECUTORS: Readonly<Record<TaskType, Executor>> = { http: executeHttp, log: executeLog };
