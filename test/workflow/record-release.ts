/**
 * Records the histories of a released binary: a run of each shape on a whole server of its own, for replay.test.ts. Do so
 * before the workflow's code changes; what was recorded of a release is never recorded anew.
 *
 * usage: bun test/workflow/record-release.ts BINARY NAME    writes histories/NAME-{shape}.json
 */
import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Client, Connection, type WorkflowHandle } from "@temporalio/client";
import { eventually } from "../support/engines.ts";
import { startReceiver } from "../support/http-receiver.ts";
import { readEndpoints, startServer } from "../support/server.ts";
import { define, envelope, listRuns } from "../support/shared-server.ts";
import { historyToJson } from "../support/workflow.ts";

const [binary, release] = process.argv.slice(2);
if (binary === undefined || release === undefined) {
  console.error("usage: bun test/workflow/record-release.ts BINARY NAME");
  process.exit(2);
}
const server = await startServer({ binary: resolve(binary) });
const connection = await Connection.connect({ address: await engineAddress() });
const client = new Client({ connection });
const log = (key: string) => ({ key, type: "log", params: { message: "recorded" } });
const http = (...statuses: [number, ...number[]]) => ({
  key: "http",
  type: "http",
  timeout: "5s",
  params: { url: startReceiver(...statuses).url },
  retry: { initial_interval: "200ms", max_attempts: 3 },
});
const silent = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: () => Bun.sleep(3_600_000).then(() => new Response()),
});

try {
  await byEvent("log", [log("log")]);
  await byEvent("no-tasks", []);
  await byEvent("http", [http(200)]);
  await byEvent("http-retried", [http(503, 200)]);
  await byEvent("http-failed", [http(404)]);
  await byEvent("http-exhausted", [http(503)]);
  await byEvent("two-tasks", [log("log"), http(200)]);
  await byEvent("one-of-two-failed", [log("log"), http(404)]);

  const cancelled = await define(server, { task_templates: [{ ...http(200), params: { url: silent.url.href } }] });
  await publish(cancelled.type);
  const [run] = await eventually("the run is open", async () => {
    const runs = await listRuns(server, cancelled.id);
    const { body } = await server.api(`/tasks?run_id=${runs[0]?.run_id}`);
    return body[0]?.status === "running" && runs;
  });
  await server.api(`/runs/${run?.run_id}/cancel`, { method: "POST" });
  await record("cancelled", client.workflow.getHandle(run?.workflow_id ?? ""));

  const due = new Date(Math.ceil(Date.now() / 1000 + 3) * 1000).toISOString();
  const scheduled = await define(server, { trigger_config: { trigger_type: "scheduled", run_at: due } });
  await record("scheduled", await handleOf(scheduled.id));

  const requested = await define(server);
  await server.api(`/activity-definitions/${requested.id}/trigger`, { json: {} });
  await record("requested", await handleOf(requested.id));

  const foreign = await define(server);
  const event = envelope(foreign.type);
  await record("foreign", await start(foreign.id, event));
  await record("duplicate", await start(foreign.id, event));
  const disabled = await define(server, { enabled: false });
  await record("skipped", await start(disabled.id, envelope(disabled.type)));
} finally {
  await connection.close();
  await server.destroy();
}
process.exit(0);

async function engineAddress(): Promise<string> {
  await server.ready(60_000);
  return readEndpoints(server).temporalHost;
}

async function byEvent(shape: string, task_templates: object[]): Promise<void> {
  const { id, type } = await define(server, { task_templates });
  await publish(type);
  await record(shape, await handleOf(id));
}

async function publish(type: string): Promise<void> {
  const { status, body } = await server.api("/events", { json: envelope(type) });
  if (status !== 202) throw new Error(JSON.stringify(body));
}

async function handleOf(activityId: string): Promise<WorkflowHandle> {
  const [run] = await eventually("there is a run", async () => {
    const runs = await listRuns(server, activityId);
    return runs.length > 0 && runs;
  });
  return client.workflow.getHandle(run?.workflow_id ?? "");
}

function start(activityId: string, event: object): Promise<WorkflowHandle> {
  const workflowId = `foreign-${crypto.randomUUID()}`;
  return client.workflow.start("RunActivityWorkflow", {
    workflowId,
    taskQueue: "orchestrator-tq",
    args: [activityId, event],
  });
}

async function record(shape: string, handle: WorkflowHandle): Promise<void> {
  const file = `${import.meta.dir}/histories/${release}-${shape}.json`;
  if (existsSync(file)) throw new Error(`${file} is there: a release is recorded once`);
  await handle.result().catch(() => {}); // some fail, as they should
  writeFileSync(file, historyToJson(await handle.fetchHistory()));
  console.log(shape);
}
