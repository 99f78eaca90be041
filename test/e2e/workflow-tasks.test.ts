/** Workflow tasks of the compiled binary, done by workers in Python: that of docs/examples, and one whose workflows end in each way. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { parse } from "yaml";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import { parseJson } from "../../src/json/parse.ts";
import { eventually } from "../support/engines.ts";
import { findPythonFault, PYTHON_TIMEOUT_MS, preparePython, startWorkerProgram } from "../support/python.ts";
import { readEndpoints, type Server } from "../support/server.ts";
import { define, envelope, finishedRuns, useServer } from "../support/shared-server.ts";

const fault = findPythonFault();
if (fault !== undefined) console.warn(`the tests with Python workers are skipped: ${fault}`);
const EXAMPLES = join(REPOSITORY, "docs/examples");
/** A worker of the example in another language, such as the one that `make goworker` builds. */
const EXAMPLE_WORKER = process.env.ACTCORE_TEST_EXAMPLE_WORKER;
const QUEUE = `called-${crypto.randomUUID()}`;

describe.skipIf(fault !== undefined)("a workflow task", () => {
  let server: Server;
  let python: string;
  let address: string;
  let client: Client;
  const workers: Bun.Subprocess[] = [];
  beforeAll(async () => {
    [server, python] = await Promise.all([useServer(), preparePython()]);
    address = readEndpoints(server).temporalHost;
    client = new Client({ connection: await Connection.connect({ address }) });
    workers.push(
      await startWorkerProgram([python, join(REPOSITORY, "test/clients/python/called_worker.py"), address, QUEUE]),
    );
  }, PYTHON_TIMEOUT_MS);
  afterAll(async () => {
    for (const worker of workers) worker.kill();
    await client?.connection.close();
  });

  /** Begins a run of a new activity with this one task. */
  async function start(params: object, template: object = {}, payload: unknown = {}) {
    const call = { key: "call", type: "workflow", ...template, params: { task_queue: QUEUE, ...params } };
    const { id, type } = await define(server, { task_templates: [call] });
    await server.api("/events", { json: envelope(type, { payload }) });
    return { id, readTask: () => readTask(id) };
  }

  /** The activity's only task, as soon as there is one. */
  async function readTask(activityId: string) {
    const [task] = await eventually("it has a task", async () => {
      const { body } = await server.api<{ task_id: string }[]>(`/tasks?activity_id=${activityId}&key=call`);
      return body.length > 0 && body;
    });
    return (await server.api(`/tasks/${task?.task_id}`)).body;
  }

  async function outcomeOf(...of: Parameters<typeof start>) {
    const { id, readTask } = await start(...of);
    await finishedRuns(server, id, 1, 30_000);
    return readTask();
  }

  test("waits until a worker is there, and says so; then reports.yaml is done as it is written", async () => {
    const definition = parse(await Bun.file(join(EXAMPLES, "reports.yaml")).text());
    definition.task_templates[0].key = "call";
    definition.task_templates[1] = JSON.parse(
      JSON.stringify(definition.task_templates[1]).replaceAll("render", "call"),
    );
    const { id } = await define(server, definition);
    await server.api("/events", { json: envelope("report.requested", { payload: { customer: "c/7" } }) });
    await eventually("it says what it waits for", async () => {
      const { waiting_for } = await readTask(id);
      return waiting_for?.code === "no_worker" && waiting_for.message.includes("the queue reports");
    });

    const program = EXAMPLE_WORKER ? [EXAMPLE_WORKER] : [python, join(EXAMPLES, "workers/python/worker.py")];
    workers.push(await startWorkerProgram(program, { TEMPORAL_ADDRESS: address }));
    const [run] = await finishedRuns(server, id, 1, 30_000);
    expect(run).toMatchObject({ status: "succeeded" });
    const task = await readTask(id);
    expect(task).toMatchObject({ status: "succeeded", attempts: 1, waiting_for: null });
    expect(task.result).toEqual({ report: "report of c/7", pages: 3 });
    const { body: told } = await server.api(`/tasks?activity_id=${id}&key=tell`);
    expect((await server.api(`/tasks/${told[0].task_id}`)).body.result).toEqual({ message: "report of c/7: 3 pages" });
  }, 60_000);

  test("hands over arguments and keeps the result to the last digit", async () => {
    const payload = parseJson('{"n":9007199254740993,"nothing":null,"texts":["ä",""]}');
    const task = await outcomeOf({ workflow: "Echo", args: ["{{ event.payload }}"] }, {}, payload);
    expect(task).toMatchObject({ status: "succeeded" });
    expect(JSON.stringify(task.result)).toBe(JSON.stringify(payload));
  });

  test("without arguments hands over what the run is about, and is found in Temporal by its activity", async () => {
    const { id, readTask } = await start({ workflow: "Echo" }, {}, { order: 7 });
    await finishedRuns(server, id);
    const task = await readTask();
    expect(task.result).toMatchObject({ run: { activity_id: id }, event: { payload: { order: 7 } } });
    const query = `ActivityId = "${id}" and WorkflowType = "Echo"`;
    const [found] = await eventually("Temporal finds it", async () => {
      const all = await Array.fromAsync(client.workflow.list({ query }));
      return all.length > 0 && all;
    });
    expect(found?.workflowId).toBe(`call-${task.idempotency_key}`);
  });

  test.each([
    ["whose workflow fails", { workflow: "Broken" }, {}, "workflow_failed", /failed: the disk is full$/],
    ["whose result is large", { workflow: "Large", args: [300_000] }, {}, "workflow_result_too_large", /300002 bytes/],
    ["whose result is bytes", { workflow: "Bytes", args: [] }, {}, "workflow_result_unreadable", /it is bytes/],
    [
      "whose worker does not know the type",
      { workflow: "Nothing", args: [] },
      { timeout: "3s" },
      "workflow_timeout",
      /not over within 3000 ms: its steps failed, the last one with: .*Nothing/,
    ],
    [
      "whose queue has no worker",
      { workflow: "Echo", task_queue: "nobody" },
      { timeout: "1s" },
      "no_worker",
      /on the queue nobody .* no worker of that queue has begun it$/,
    ],
  ] as const)("%s fails by name", async (_, params, template, code, message) => {
    const task = await outcomeOf({ args: [], ...params }, template);
    expect(task).toMatchObject({ status: "failed", attempts: 1, result: null, error: { code } });
    expect(task.error.message).toMatch(message);
  });

  test("that fails is tried again under the same id, as its policy says", async () => {
    const task = await outcomeOf(
      { workflow: "Broken", args: [] },
      { retry: { max_attempts: 2, initial_interval: "100ms" } },
    );
    expect(task).toMatchObject({
      attempts: 2,
      error: { code: "workflow_failed", details: { type: "DiskFull", non_retryable: false } },
    });
  });

  test("that is not waited for is over at once, and its id is not taken a second time while that one goes on", async () => {
    const workflow_id = `slow-${crypto.randomUUID()}`;
    const first = await outcomeOf({ workflow: "Slow", args: [], wait: false, workflow_id });
    expect(first).toMatchObject({ status: "succeeded", result: { workflow_id } });
    const second = await outcomeOf({ workflow: "Slow", args: [], workflow_id });
    expect(second).toMatchObject({ status: "failed", error: { code: "workflow_id_taken" } });

    const handle = client.workflow.getHandle(workflow_id, first.result.run_id);
    expect((await handle.describe()).status.name).toBe("RUNNING");
    await handle.terminate("the test is over");
  });

  test("goes on and says so, and is cancelled with its run", async () => {
    const { readTask } = await start({ workflow: "Slow", args: [] });
    const { run_id, idempotency_key } = await eventually("it goes on", async () => {
      const task = await readTask();
      return task.waiting_for?.code === "workflow" && task;
    });
    await server.api(`/runs/${run_id}/cancel`, { method: "POST" });
    const task = await eventually("it is over", async () => {
      const read = await readTask();
      return read.finished_at !== null && read;
    });
    expect(task).toMatchObject({ status: "cancelled", error: { code: "workflow_cancelled" }, waiting_for: null });
    const { status } = await client.workflow.getHandle(`call-${idempotency_key}`).describe();
    expect(status.name).toBe("CANCELLED");
  });
});
