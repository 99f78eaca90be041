/** For tests that are not about which tasks there may be, and which places they may call. */
import type { OwnEngines } from "../../src/outbound/own-engines.ts";
import type { TaskRules } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";

export const NO_ENGINES: OwnEngines = { ports: new Map() };
export const TASK_RULES: TaskRules = { types: TASK_TYPES, engines: NO_ENGINES };
