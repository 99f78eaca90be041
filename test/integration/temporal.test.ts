/** What actcore starts in Temporal, in a namespace of its own, without a worker. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { temporal as temporalProto } from "@temporalio/proto";
import { eventWorkflowId } from "../../src/occurrence/occurrence.ts";
import type { OwedRun } from "../../src/run/engine.ts";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../../src/run/run.ts";
import { createRunInspector } from "../../src/temporal/run-inspector.ts";
import { createRunStarter } from "../../src/temporal/run-starter.ts";
import { searchAttributesOf } from "../../src/temporal/search-attributes.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";
import { openTestNamespace } from "../support/workflow.ts";

let temporal: Awaited<ReturnType<typeof openTestNamespace>>;
beforeAll(async () => {
  temporal = await openTestNamespace();
}, ENGINES_TIMEOUT_MS);
afterAll(() => temporal?.close());

function owedRunOf(activity_id: string, event_id: string): OwedRun {
  const workflow_id = eventWorkflowId(activity_id, event_id);
  return { activity_id, activity_name: "mail", workflow_id, trigger_event: { event_id } };
}

describe("a run", () => {
  test("is started under the event's one workflow id, and found by its activity", async () => {
    const activity_id = crypto.randomUUID();
    await createRunStarter(temporal).start(owedRunOf(activity_id, "e 1"));
    const handle = temporal.client.workflow.getHandle(`activity-${activity_id}:e 1`);
    const { type, taskQueue } = await handle.describe();
    expect([type, taskQueue]).toEqual([RUN_ACTIVITY_WORKFLOW, ORCHESTRATOR_QUEUE]);
    const query = `ActivityId = '${activity_id}' AND ActivityName = 'mail'`;
    await eventually("the run is listed", async () => {
      for await (const { workflowId } of temporal.client.workflow.list({ query })) return workflowId;
    });
    await handle.terminate();
  });

  test("is started once, however often, also when it has ended (I1)", async () => {
    const activity_id = crypto.randomUUID();
    const start = () => createRunStarter(temporal).start(owedRunOf(activity_id, "e"));
    await Promise.all([start(), start(), start()]);
    const handle = temporal.client.workflow.getHandle(`activity-${activity_id}:e`);
    const { runId } = await handle.describe();
    await handle.terminate();
    await start();
    expect(await handle.describe()).toMatchObject({ runId, status: { name: "TERMINATED" } });
  });
});

test("what became of a run is told by its workflow: missing, open, or how it ended", async () => {
  const starter = createRunStarter(temporal);
  const run = owedRunOf(crypto.randomUUID(), "e");
  const inspect = async () => (await createRunInspector(temporal).inspect(run)).state;
  expect([await inspect(), await starter.cancel(run)]).toEqual(["missing", false]);
  await starter.start(run);
  expect(await inspect()).toBe("open");
  await temporal.client.workflow.getHandle(run.workflow_id).terminate();
  expect(await inspect()).toBe("terminated");
});

test("a run that is open can be asked to end", async () => {
  const starter = createRunStarter(temporal);
  const run = owedRunOf(crypto.randomUUID(), "e");
  await starter.start(run);
  expect(await starter.cancel(run)).toBe(true);
  await temporal.client.workflow.getHandle(run.workflow_id).terminate();
});

describe("a workflow that is not the run's, under the run's id,", () => {
  /** Open, and started by somebody else. */
  async function startTheirs(run: OwedRun, rest: { type?: string; taskQueue?: string; activity?: string } = {}) {
    const { type = "TheirWorkflow", taskQueue = "their-queue", activity } = rest;
    return temporal.client.workflow.start(type, {
      workflowId: run.workflow_id,
      taskQueue,
      ...(activity !== undefined && { typedSearchAttributes: searchAttributesOf(activity, "theirs") }),
    });
  }
  const ours = { type: RUN_ACTIVITY_WORKFLOW, taskQueue: ORCHESTRATOR_QUEUE };

  test.each<[what: string, rest: { type?: string; taskQueue?: string; activity?: string }]>([
    ["of another type and queue", {}],
    ["of our type on another queue", { type: ours.type }],
    ["of another type on our queue", { taskQueue: ours.taskQueue }],
    ["of another activity", { ...ours, activity: "0197a1b2-0000-7000-8000-000000000000" }],
  ])("%s is not taken for a start of it, nor cancelled with it", async (_, rest) => {
    const run = owedRunOf(crypto.randomUUID(), "e");
    const theirs = await startTheirs(run, rest);
    const starter = createRunStarter(temporal);
    // Not by expect().rejects: Bun waits in it in a way that keeps gRPC from going on.
    const start = () => starter.start(run).catch((error: unknown) => error);
    expect(await start()).toMatchObject({ name: "TerminalError", code: "workflow_id_taken" });
    expect(await createRunInspector(temporal).inspect(run)).toMatchObject({ state: "foreign" });
    expect(await starter.cancel(run)).toBe(false);
    const { events } = await theirs.fetchHistory();
    expect(events?.some((event) => event.workflowExecutionCancelRequestedEventAttributes)).toBe(false);
    await theirs.terminate();
    expect(await start()).toMatchObject({ code: "workflow_id_taken" });
  });

  test("is known by the execution that claimed the run", async () => {
    const run = owedRunOf(crypto.randomUUID(), "e");
    const { firstExecutionRunId: claimed_by } = await startTheirs(run, ours);
    const { inspect } = createRunInspector(temporal);
    expect(await inspect({ ...run, claimed_by })).toMatchObject({ state: "open", execution: claimed_by });
    expect(await inspect({ ...run, claimed_by: "an earlier one" })).toMatchObject({ state: "foreign" });
    await temporal.client.workflow.getHandle(run.workflow_id).terminate();
  });
});

test("a foreign start of the run itself, under its id, is a start of it", async () => {
  const run = owedRunOf(crypto.randomUUID(), "e");
  const options = { workflowId: run.workflow_id, taskQueue: ORCHESTRATOR_QUEUE };
  await temporal.client.workflow.start(RUN_ACTIVITY_WORKFLOW, {
    ...options,
    args: [run.activity_id, run.trigger_event],
  });
  expect(await createRunStarter(temporal).start(run)).toBe(run.workflow_id);
  await temporal.client.workflow.getHandle(run.workflow_id).terminate();
});

test("a workflow whose next step fails tells how often and why, and is ended on request", async () => {
  const inspector = createRunInspector(temporal);
  const run = owedRunOf(crypto.randomUUID(), "e");
  await createRunStarter(temporal).start(run);
  // As a worker of a bad release fails it.
  const { namespace } = temporal.client.options;
  const service = temporal.connection.workflowService;
  const taskQueue = { name: ORCHESTRATOR_QUEUE };
  const within = <T>(body: () => Promise<T>) => temporal.connection.withDeadline(Date.now() + 10_000, body);
  const { taskToken, workflowExecution } = await within(() =>
    service.pollWorkflowTaskQueue({ namespace, taskQueue, identity: "test" }),
  );
  expect(workflowExecution?.workflowId).toBe(run.workflow_id);
  const failure = { message: "no such field", source: "test" };
  const cause =
    temporalProto.api.enums.v1.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE;
  await service.respondWorkflowTaskFailed({ namespace, taskToken, cause, failure, identity: "test" });
  const view = await eventually("it is tried again", async () => {
    const seen = await inspector.inspect(run);
    return (seen.attempt ?? 0) > 1 && seen;
  });
  expect(view).toMatchObject({ state: "open", attempt: 2 });
  expect(await inspector.findTaskFailure(run.workflow_id, view.execution ?? "")).toBe("no such field");
  expect(await inspector.listFailing()).toEqual([]);
  await inspector.terminate(run.workflow_id, view.execution ?? "", "it could not go on");
  await inspector.terminate(run.workflow_id, view.execution ?? "", "it has ended already");
  expect(await inspector.inspect(run)).toMatchObject({ state: "terminated" });
});
