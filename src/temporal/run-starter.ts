/** Starts a run under its one workflow id (design §4), asks it to end, and says what became of it. */
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from "@temporalio/client";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../run/run.ts";
import type { RunCanceller } from "../trigger/control.ts";
import type { RunStarter } from "../trigger/event/dispatcher.ts";
import type { RunInspector } from "../trigger/finisher.ts";
import { type Temporal, unavailable } from "./connection.ts";
import { searchAttributesOf } from "./search-attributes.ts";

const DEADLINE_MS = 10_000;

export function createRunStarter({ client, connection }: Temporal): RunStarter & RunCanceller & RunInspector {
  /** Undefined when the workflow is not there. */
  async function ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await connection.withDeadline(Date.now() + DEADLINE_MS, question);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw unavailable(error);
    }
  }

  async function inspect(workflowId: string): Promise<string> {
    const description = await ask(() => client.workflow.getHandle(workflowId).describe());
    if (description === undefined) return "missing";
    const status = description.status.name.toLowerCase();
    return status === "running" || status === "paused" ? "open" : status;
  }

  return {
    async cancel(workflowId) {
      // Temporal takes a cancellation of a closed workflow without a word.
      if ((await inspect(workflowId)) !== "open") return false;
      return (await ask(() => client.workflow.getHandle(workflowId).cancel())) !== undefined;
    },
    inspect,

    async start({ activity_id, activity_name, workflow_id, trigger_event }) {
      try {
        await connection.withDeadline(Date.now() + DEADLINE_MS, () =>
          client.workflow.start(RUN_ACTIVITY_WORKFLOW, {
            workflowId: workflow_id,
            workflowIdReusePolicy: "REJECT_DUPLICATE",
            taskQueue: ORCHESTRATOR_QUEUE,
            args: [activity_id, trigger_event],
            typedSearchAttributes: searchAttributesOf(activity_id, activity_name),
          }),
        );
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return;
        throw unavailable(error);
      }
    },
  };
}
