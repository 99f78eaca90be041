/** What is wrong with a task of a definition, as the one who writes it is told. */
import { parseDefinition } from "../../src/definition/validate.ts";
import { InvalidInputError } from "../../src/kernel/errors.ts";
import type { TaskRules } from "../../src/task/task-type.ts";
import { TASK_RULES } from "./own-engines.ts";

/** Each fault as a text that begins with its path within `params`. */
export function taskFaultsOf(type: string, params: object, rules: TaskRules = TASK_RULES): string[] {
  const trigger_config = { trigger_type: "event", event_type: "a" };
  try {
    parseDefinition({ name: "a", trigger_config, task_templates: [{ key: "a", type, params }] }, rules);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.faults.map(({ path, message }) => `${path.replace("/task_templates/0/params", "")} ${message}`);
  }
}
