/** What is wrong with the params of a `workflow` task beyond their shape. Pure. */
import type { Fault } from "../../kernel/errors.ts";
import { findSecretFaults } from "../secret-faults.ts";
import { TASK_WORKFLOWS } from "../task.ts";
import type { WorkflowParams } from "./params.ts";

/** Queues, workflow types and ids of actcore itself: a run that started one of its own workflows might never end. */
const OWN_QUEUE = /^(orchestrator-tq|task-execution-tq(\..*)?)$/;
const OWN_TYPES: readonly string[] = ["RunActivityWorkflow", ...TASK_WORKFLOWS];
const OWN_ID = /^(activity|task)-/;
/** The engine keeps these for itself, and refuses them. */
const RESERVED = /^(\/_sys\/|__temporal|__sticky)/;
/** The engine takes 2 MB for all arguments, and hears of them twice in one message of at most 4 MB. */
const MAX_ARGS_BYTES = 1_000_000;

const NO_SECRET =
  "a workflow gets no secret: its arguments stand in the engine's history. Let its worker read the secret itself";

/** Of params whose expressions are evaluated, or that have none. */
export function findWorkflowFaults(params: WorkflowParams, path: string): Fault[] {
  const { workflow, task_queue, workflow_id = "", args = [] } = params;
  const faults: Fault[] = [];
  const refuse = (name: keyof WorkflowParams, message: string) => faults.push({ path: `${path}/${name}`, message });
  const own = (name: string, what: string) => `${JSON.stringify(name)} is actcore's own: ${what}`;
  if (OWN_QUEUE.test(task_queue)) refuse("task_queue", own(task_queue, "name a queue that your workers poll"));
  if (OWN_TYPES.includes(workflow)) refuse("workflow", own(workflow, "name a workflow that your workers register"));
  if (OWN_ID.test(workflow_id))
    refuse("workflow_id", own(workflow_id, "begin it otherwise than with activity- or task-"));
  for (const name of ["workflow", "task_queue", "workflow_id"] as const)
    if (RESERVED.test(params[name] ?? ""))
      refuse(name, `${JSON.stringify(params[name])}: the engine keeps such names for itself`);
  const bytes = Buffer.byteLength(JSON.stringify(args));
  if (bytes > MAX_ARGS_BYTES)
    refuse("args", `have ${bytes} bytes, and may have ${MAX_ARGS_BYTES}: tell the workflow where the data is`);
  return faults;
}

/** Of the params as a definition has them: none of them reads a secret. */
export function findComputedFaults(params: WorkflowParams, path: string): Fault[] {
  return findSecretFaults(params, path, NO_SECRET);
}
