/** The `workflow` task: a workflow of the user's own, which workers in any language do (workflows/called-workflow.ts). */
import { TerminalError } from "../../kernel/errors.ts";
import { HIDDEN, type TaskType } from "../task-type.ts";
import { findSecretFaults, findWorkflowFaults } from "./faults.ts";
import { WorkflowParamsSchema } from "./params.ts";

export const workflowTask: TaskType<typeof WorkflowParamsSchema> = {
  title: "WorkflowTask",
  params: WorkflowParamsSchema,
  findFaults: findWorkflowFaults,
  findComputedFaults: findSecretFaults,
  // Only a program that is not ours asks a worker to do such a task itself.
  createExecutor: () => async () => {
    throw new TerminalError("task_type_unknown", "a workflow task is done by a child workflow of its run");
  },
  show: ({ args, ...others }) => ({ ...others, ...(args !== undefined && { args: HIDDEN }) }),
  waits: true,
  isQuick: () => false,
  // What a workflow has begun is not undone, and it has tries of its own.
  defaults: { timeout: "24h", max_attempts: 1 },
  workflow: "CalledWorkflow",
};
