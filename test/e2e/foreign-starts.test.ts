/** What somebody with a Temporal client does beside a server: the same event by another door, nonsense, ids that are ours. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client, Connection } from "@temporalio/client";
import { RawValue } from "@temporalio/common";
import { eventually } from "../support/engines.ts";
import { readEndpoints, SERVER_TIMEOUT_MS, type Server } from "../support/server.ts";
import { define, envelope, finishedRuns, listRuns, listTasks, useServer } from "../support/shared-server.ts";

let server: Server;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  server = await useServer();
  connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  client = new Client({ connection });
}, SERVER_TIMEOUT_MS);
afterAll(() => connection?.close());

const start = (...args: unknown[]) =>
  client.workflow.start("RunActivityWorkflow", {
    workflowId: `foreign-${crypto.randomUUID()}`,
    taskQueue: "orchestrator-tq",
    args,
  });

async function publish(event: object): Promise<void> {
  expect((await server.api("/events", { json: event })).status).toBe(202);
}

describe("one event for one activity is one run (I1)", () => {
  test("when a foreign start brings it after the stream", async () => {
    const definition = await define(server);
    const event = envelope(definition.type);
    await publish(event);
    const [run] = await finishedRuns(server, definition.id);
    expect(await (await start(definition.id, event)).result()).toEqual({ run_id: run?.run_id, status: "duplicate" });
    expect(await listRuns(server, definition.id)).toHaveLength(1);
  });

  test("when a foreign start brings it before the stream, which still reaches the other activities", async () => {
    const definition = await define(server);
    const trigger_config = { trigger_type: "event", event_type: definition.type };
    const other = await define(server, { trigger_config });
    const event = envelope(definition.type);
    expect(await (await start(definition.id, event)).result()).toMatchObject({ status: "succeeded" });
    await publish(event);
    expect(await finishedRuns(server, other.id)).toHaveLength(1);
    const read = async () => (await server.api(`/events/${event.event_id}`)).body;
    const settled = async () => (await read()).outcome === "dispatched" && (await read()).activities.length === 2;
    await eventually("the event is settled", settled);
    const runs = await listRuns(server, definition.id);
    expect(runs).toMatchObject([{ event_id: event.event_id, trigger: "event", status: "succeeded" }]);
    expect(await listTasks(server, runs[0]?.run_id ?? "")).toHaveLength(1);
  });

  test("when both come at once, many times over", async () => {
    const definition = await define(server);
    const events = Array.from({ length: 20 }, () => envelope(definition.type));
    const starting = events.flatMap((event) => [
      publish(event),
      start(definition.id, event),
      start(definition.id, event),
    ]);
    const started = (await Promise.all(starting)).filter((each) => each !== undefined);
    const results = (await Promise.all(started.map((handle) => handle.result()))) as { status: string }[];
    expect(results.every(({ status }) => status === "succeeded" || status === "duplicate")).toBe(true);
    const runs = await finishedRuns(server, definition.id, events.length);
    expect(runs.map(({ event_id }) => event_id).sort()).toEqual(events.map(({ event_id }) => event_id).sort());
  });
});

test("a start whose id is a list fails by name, and leaves nothing in the ledger", async () => {
  const definition = await define(server);
  const error = await (await start([definition.id], {})).result().catch((error: Error) => error.cause);
  expect(error).toMatchObject({ type: "activity_id_invalid" });
  expect(await listRuns(server, definition.id)).toEqual([]);
});

const payload = (data: string, encoding = "json/plain") =>
  RawValue.fromPayload({ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) });

test.each([
  ["is encrypted", payload("{}", "binary/encrypted"), "trigger_event_invalid"],
  ["is no JSON", payload('{"a":'), "trigger_event_invalid"],
  ["is no JSON, whose error quotes half a character", payload("😀"), "trigger_event_invalid"],
  ["is nested so deep that the stack ends", payload("[".repeat(50_000) + "]".repeat(50_000)), "trigger_event_invalid"],
  ["names an event by half a character", { event_id: "\ud800" }, "event_not_found"],
  ["names an event by a megabyte", { event_id: "x".repeat(900_000) }, "event_not_found"],
])("a start whose argument %s fails by name, and the worker goes on", async (_, argument, type) => {
  const definition = await define(server);
  const error = await (await start(definition.id, argument)).result().catch((error: Error) => error.cause);
  expect(error).toMatchObject({ type });
  await publish(envelope(definition.type));
  expect(await finishedRuns(server, definition.id)).toHaveLength(1);
});

test("an event whose workflow id is taken by an open workflow of somebody else is run all the same", async () => {
  const definition = await define(server);
  const event = envelope(definition.type);
  const taken = `activity-${definition.id}:${event.event_id}`;
  const theirs = await client.workflow.start("TheirWorkflow", { workflowId: taken, taskQueue: "their-queue" });
  await publish(event);
  const [run] = await finishedRuns(server, definition.id);
  expect(run).toMatchObject({ event_id: event.event_id, status: "succeeded" });
  expect(run?.workflow_id).toStartWith(`activity-${definition.id}-run-`);
  const { body } = await server.api(`/events/${event.event_id}`);
  expect(body).toMatchObject({ outcome: "dispatched", activities: [{ outcome: "run", run_id: run?.run_id }] });
  expect(await theirs.describe()).toMatchObject({ status: { name: "RUNNING" } });
  await theirs.terminate();
});
