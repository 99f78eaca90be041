/**
 * What became of a run's workflow, and the end of one that cannot go on. It asks for the engine's own messages: a client
 * would decode what somebody else put into the workflow, and fail where it cannot.
 */
import { temporal } from "@temporalio/proto";
import type { RunInspector, RunWorkflow } from "../run/engine.ts";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../run/run.ts";
import type { Temporal } from "./connection.ts";
import { GRPC, ignoring } from "./grpc.ts";

type Description = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;
const Status = temporal.api.enums.v1.WorkflowExecutionStatus;
const FailedCause = temporal.api.enums.v1.WorkflowTaskFailedCause;

/** How many events of a history are read, newest first: only a few follow a failed workflow task. */
const EVENTS_READ = 50;
const MAX_FAILING = 100;

const CLOSED: Readonly<Record<number, string>> = {
  [Status.WORKFLOW_EXECUTION_STATUS_COMPLETED]: "completed",
  [Status.WORKFLOW_EXECUTION_STATUS_FAILED]: "failed",
  [Status.WORKFLOW_EXECUTION_STATUS_CANCELED]: "canceled",
  [Status.WORKFLOW_EXECUTION_STATUS_TERMINATED]: "terminated",
  [Status.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW]: "continued_as_new",
  [Status.WORKFLOW_EXECUTION_STATUS_TIMED_OUT]: "timed_out",
};

export function createRunInspector(engine: Temporal): RunInspector {
  const { namespace } = engine.client.options;
  const service = engine.connection.workflowService;

  return {
    async inspect(workflow) {
      const found = await describeWorkflow(engine, workflow.workflow_id);
      if (found === undefined) return { state: "missing" };
      const { workflowExecutionInfo, pendingWorkflowTask } = found;
      const execution = workflowExecutionInfo?.execution?.runId ?? "";
      if (!isWorkflowOf(found, workflow)) return { state: "foreign", execution };
      const closed = CLOSED[workflowExecutionInfo?.status ?? 0];
      if (closed !== undefined) return { state: closed, execution };
      return { state: "open", execution, attempt: pendingWorkflowTask?.attempt ?? 0 };
    },

    async listFailing() {
      const query =
        `WorkflowType = '${RUN_ACTIVITY_WORKFLOW}' AND TaskQueue = '${ORCHESTRATOR_QUEUE}' ` +
        "AND ExecutionStatus = 'Running' AND TemporalReportedProblems = 'category=WorkflowTaskFailed'";
      const request = { namespace, query, pageSize: MAX_FAILING };
      // An older engine does not keep such a list.
      const listed = await engine
        .ask(() => service.listWorkflowExecutions(request))
        .catch(ignoring(GRPC.invalidArgument));
      return (listed?.executions ?? []).flatMap(({ execution }) => execution?.workflowId ?? []);
    },

    async findTaskFailure(workflowId, execution) {
      const { history } = await engine.ask(() =>
        service.getWorkflowExecutionHistoryReverse({
          namespace,
          execution: { workflowId, runId: execution },
          maximumPageSize: EVENTS_READ,
        }),
      );
      for (const event of history?.events ?? []) {
        if (event.workflowTaskCompletedEventAttributes ?? event.workflowTaskTimedOutEventAttributes) return undefined;
        const failed = event.workflowTaskFailedEventAttributes;
        if (failed?.cause === FailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW) return undefined;
        if (failed) return failed.failure?.message || "its workflow tasks fail";
      }
      return undefined;
    },

    async terminate(workflowId, execution, reason) {
      const { identity } = engine.client.options;
      const request = { namespace, workflowExecution: { workflowId, runId: execution }, reason, identity };
      // One that is not found has ended by itself.
      await engine.ask(() => service.terminateWorkflowExecution(request)).catch(ignoring(GRPC.notFound));
    },
  };
}

/** Undefined when the engine knows no such workflow. @throws RetryableError `temporal_unavailable` */
export function describeWorkflow(engine: Temporal, workflowId: string): Promise<Description | undefined> {
  const { ask, client, connection } = engine;
  const request = { namespace: client.options.namespace, execution: { workflowId } };
  return ask(() => connection.workflowService.describeWorkflowExecution(request)).catch(ignoring(GRPC.notFound));
}

export function isOpen({ workflowExecutionInfo }: Description): boolean {
  return CLOSED[workflowExecutionInfo?.status ?? 0] === undefined;
}

/**
 * Whether the workflow that has the run's id can be the run's: of our type, on our queue, of its activity where that is
 * known yet, and, of a run that was claimed, in the chain of executions that claimed it.
 */
export function isWorkflowOf(
  { workflowExecutionInfo: info }: Description,
  { activity_id, claimed_by }: RunWorkflow,
): boolean {
  if (info?.type?.name !== RUN_ACTIVITY_WORKFLOW || info.taskQueue !== ORCHESTRATOR_QUEUE) return false;
  if (claimed_by && info.firstRunId) return info.firstRunId === claimed_by;
  // JSON text with one UUID in it, of whichever case a foreign start wrote it in.
  const label = info.searchAttributes?.indexedFields?.ActivityId?.data;
  return !label || new TextDecoder().decode(label).toLowerCase().includes(activity_id);
}
