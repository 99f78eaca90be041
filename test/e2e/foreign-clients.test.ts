/** Clients in another language, with nothing of ours: NATS for events, Temporal for starts. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client, Connection } from "@temporalio/client";
import { eventually } from "../support/engines.ts";
import { callClient, findPythonFault, PYTHON_TIMEOUT_MS, preparePython } from "../support/python.ts";
import { readEndpoints, type Server } from "../support/server.ts";
import { define, envelope, finishedRuns, listTasks, useServer } from "../support/shared-server.ts";

const fault = findPythonFault();
if (fault !== undefined) console.warn(`the tests with Python clients are skipped: ${fault}`);

describe.skipIf(fault !== undefined)("a Python client", () => {
  let server: Server;
  let python: string;
  let temporal: Connection;
  beforeAll(async () => {
    [server, python] = await Promise.all([useServer(), preparePython()]);
    temporal = await Connection.connect({ address: readEndpoints(server).temporalHost });
  }, PYTHON_TIMEOUT_MS);
  afterAll(() => temporal?.close());

  /** One run, finished, its task succeeded, and found in Temporal by both search attributes. */
  async function expectOneRun({ id, name }: { id: string; name: string }) {
    const runs = await finishedRuns(server, id);
    expect(runs).toHaveLength(1);
    const run = runs[0] as (typeof runs)[number];
    expect(run.status).toBe("succeeded");
    expect(await listTasks(server, run.run_id)).toMatchObject([{ status: "succeeded" }]);

    const query = `ActivityId = "${id}" and ActivityName = "${name}" and ExecutionStatus = "Completed"`;
    const found = await eventually("Temporal finds it", async () => {
      const all = await Array.fromAsync(new Client({ connection: temporal }).workflow.list({ query }));
      return all.length > 0 && all;
    });
    expect(found.map(({ workflowId }) => workflowId)).toEqual([run.workflow_id]);
    return run;
  }

  async function startRun(activityId: string, triggerEvent: object) {
    const workflowId = `python-${crypto.randomUUID()}`;
    const { temporalHost } = readEndpoints(server);
    const args = [temporalHost, workflowId, activityId, JSON.stringify(triggerEvent)];
    return { workflowId, result: JSON.parse(await callClient(python, "start_run.py", ...args)) };
  }

  test("publishes an event with nats-py, which becomes one finished run", async () => {
    const definition = await define(server);
    const event = envelope(definition.type);
    const { natsUrl } = readEndpoints(server);
    const answer = await callClient(python, "publish.py", natsUrl, "activity.python", JSON.stringify(event));
    expect(answer).toBe("ACTIVITY_EVENTS");
    expect(await expectOneRun(definition)).toMatchObject({ trigger: "event", event_id: event.event_id });
  });

  test("starts RunActivityWorkflow with the id of a recorded event", async () => {
    const definition = await define(server);
    const event = envelope("nobody.waits.for.this");
    await server.api("/events", { json: event });
    await eventually(
      "the event is recorded",
      async () => (await server.api(`/events/${event.event_id}`)).status === 200,
    );
    const { workflowId, result } = await startRun(definition.id, { event_id: event.event_id });
    const run = await expectOneRun(definition);
    expect(run).toMatchObject({ trigger: "event", event_id: event.event_id, workflow_id: workflowId });
    expect(result).toMatchObject({ run_id: run.run_id, status: "succeeded" });
  });

  test("starts RunActivityWorkflow with an inline envelope, which is persisted as an event", async () => {
    const definition = await define(server);
    const event = envelope("inline.happened", { payload: { n: 1 } });
    const { workflowId } = await startRun(definition.id, event);
    const run = await expectOneRun(definition);
    expect(run).toMatchObject({ trigger: "event", event_id: event.event_id, workflow_id: workflowId });
    const { body } = await server.api(`/events/${event.event_id}`);
    expect(body).toMatchObject({ type: "inline.happened", payload: { n: 1 } });
  });

  test("starts RunActivityWorkflow with a bare payload, which is persisted as an event", async () => {
    const definition = await define(server);
    const { workflowId } = await startRun(definition.id, { order: 7, note: "from a script" });
    const run = await expectOneRun(definition);
    expect(run).toMatchObject({ trigger: "manual", workflow_id: workflowId });
    const { body } = await server.api(`/events/${run.event_id}`);
    expect(body.payload).toEqual({ order: 7, note: "from a script" });
  });
});
