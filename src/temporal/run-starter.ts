/** Starts the workflow of a run under the run's workflow id, and asks it to end. */
import { WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from "@temporalio/client";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { OwedRun, RunCanceller, RunStarter, RunWorkflow } from "../run/engine.ts";
import { CANCEL_TASK, ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../run/run.ts";
import type { Temporal } from "./connection.ts";
import { GRPC, ignoring } from "./grpc.ts";
import { describeWorkflow, isOpen, isWorkflowOf } from "./run-inspector.ts";
import { searchAttributesOf } from "./search-attributes.ts";

export function createRunStarter(engine: Temporal): RunStarter & RunCanceller {
  const { client } = engine;

  /** @throws TerminalError `workflow_id_taken`; RetryableError when the workflow is gone by now */
  async function requireOurs(run: OwedRun): Promise<void> {
    const { workflow_id } = run;
    const standing = await describeWorkflow(engine, workflow_id);
    if (standing === undefined)
      throw new RetryableError(
        "temporal_unavailable",
        `Temporal: workflow ${workflow_id} stood in the way of the run's own, and is gone now`,
      );
    if (isWorkflowOf(standing, run)) return;
    const { type, taskQueue } = standing.workflowExecutionInfo ?? {};
    throw new TerminalError(
      "workflow_id_taken",
      `workflow ${workflow_id} is there already, and is not the run's: it is a ${type?.name} on ${taskQueue}`,
    );
  }

  /** Whether an open workflow of the run was there to be told. */
  async function tell(workflow: RunWorkflow, body: (handle: WorkflowHandle) => Promise<unknown>): Promise<boolean> {
    // Temporal takes a cancellation of a closed workflow without a word, and of somebody else's too.
    const standing = await describeWorkflow(engine, workflow.workflow_id);
    if (standing === undefined || !isOpen(standing) || !isWorkflowOf(standing, workflow)) return false;
    const handle = client.workflow.getHandle(workflow.workflow_id);
    const told = engine.ask(() => body(handle)).then(() => true);
    return (await told.catch(ignoring(GRPC.notFound))) ?? false;
  }

  return {
    cancel: (workflow) => tell(workflow, (handle) => handle.cancel()),
    cancelTask: (workflow, taskId) => tell(workflow, (handle) => handle.signal(CANCEL_TASK, taskId)),

    async start(run) {
      const { activity_id, activity_name, workflow_id, trigger_event } = run;
      try {
        await engine.ask(() =>
          client.workflow.start(RUN_ACTIVITY_WORKFLOW, {
            workflowId: workflow_id,
            workflowIdReusePolicy: "REJECT_DUPLICATE",
            taskQueue: ORCHESTRATOR_QUEUE,
            args: [activity_id, trigger_event],
            typedSearchAttributes: searchAttributesOf(activity_id, activity_name),
          }),
        );
      } catch (error) {
        if (!((error as Error).cause instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        await requireOurs(run);
      }
      return workflow_id;
    },
  };
}
