/** What the workflow bundle exports: a workflow is found by the name of its function. */
export { CalledWorkflow } from "./called-workflow.ts";
export { HumanTaskWorkflow } from "./human-task.ts";
export { RunActivityWorkflow } from "./run-activity.ts";
