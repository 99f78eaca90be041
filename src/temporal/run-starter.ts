/** Starts an event's run under its one workflow id (design §4). */
import { WorkflowExecutionAlreadyStartedError } from "@temporalio/client";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../run/run.ts";
import type { RunStarter } from "../trigger/dispatcher.ts";
import { eventWorkflowId } from "../trigger/occurrence.ts";
import { type Temporal, unavailable } from "./connection.ts";
import { searchAttributesOf } from "./search-attributes.ts";

const START_DEADLINE_MS = 10_000;

export function createRunStarter({ client, connection }: Temporal): RunStarter {
  return {
    async start({ activity_id, activity_name, event_id }) {
      try {
        await connection.withDeadline(Date.now() + START_DEADLINE_MS, () =>
          client.workflow.start(RUN_ACTIVITY_WORKFLOW, {
            workflowId: eventWorkflowId(activity_id, event_id),
            workflowIdReusePolicy: "REJECT_DUPLICATE",
            taskQueue: ORCHESTRATOR_QUEUE,
            args: [activity_id, { event_id }],
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
