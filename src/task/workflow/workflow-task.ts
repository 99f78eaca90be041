/** The `workflow` task: a workflow of the user's own, which workers in any language do (workflows/called-workflow.ts). */
import { HIDDEN, refuseTries, type TaskType } from "../task-type.ts";
import { findComputedFaults, findWorkflowFaults } from "./faults.ts";
import { WorkflowParamsSchema } from "./params.ts";

export const workflowTask: TaskType<typeof WorkflowParamsSchema> = {
  title: "WorkflowTask",
  params: WorkflowParamsSchema,
  findFaults: findWorkflowFaults,
  findComputedFaults,
  createExecutor: refuseTries("a workflow task is done by a child workflow of its run"),
  show: ({ args, ...others }) => ({ ...others, ...(args !== undefined && { args: HIDDEN }) }),
  waits: true,
  isQuick: () => false,
  // What a workflow has begun is not undone, and it has tries of its own.
  defaults: { timeout: "24h", max_attempts: 1 },
  workflow: "CalledWorkflow",
};
