/** What actcore starts in Temporal, in a namespace of its own, without a worker. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../../src/run/run.ts";
import { createRunStarter } from "../../src/temporal/run-starter.ts";
import type { OwedRun } from "../../src/trigger/ledger.ts";
import { eventWorkflowId } from "../../src/trigger/occurrence.ts";
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
  const inspect = () => starter.inspect(run.workflow_id);
  expect([await inspect(), await starter.cancel(run.workflow_id)]).toEqual(["missing", false]);
  await starter.start(run);
  expect(await inspect()).toBe("open");
  await temporal.client.workflow.getHandle(run.workflow_id).terminate();
  expect(await inspect()).toBe("terminated");
});

test("a run that is open can be asked to end", async () => {
  const starter = createRunStarter(temporal);
  const run = owedRunOf(crypto.randomUUID(), "e");
  await starter.start(run);
  expect(await starter.cancel(run.workflow_id)).toBe(true);
  await temporal.client.workflow.getHandle(run.workflow_id).terminate();
});
