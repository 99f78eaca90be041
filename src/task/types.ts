/** The task types that there are. */
import { HttpTaskSchema, type HttpTemplate } from "./http/shape.ts";
import { LogTaskSchema, type LogTemplate } from "./log/shape.ts";

/** By task `type`. */
export const TASK_SCHEMAS = { log: LogTaskSchema, http: HttpTaskSchema } as const;
export const TASK_TYPES = Object.keys(TASK_SCHEMAS) as TaskType[];
export type TaskType = keyof typeof TASK_SCHEMAS;
export type TaskTemplate = LogTemplate | HttpTemplate;
