/** Single tasks, retried and cancelled by hand, in the compiled binary. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "../support/engines.ts";
import { SERVER_TIMEOUT_MS, type Server } from "../support/server.ts";
import { define, finishedRuns, listTasks, useServer } from "../support/shared-server.ts";

let server: Server;
let isMended = false;
const hanging = new Set<string>();
const received: { path: string; key: string | null }[] = [];
const receiver = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const { pathname: path } = new URL(request.url);
    received.push({ path, key: request.headers.get("idempotency-key") });
    if (path === "/hang") {
      hanging.add(path);
      await new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()));
      hanging.delete(path);
    }
    return Response.json({ path }, { status: path === "/mended" && !isMended ? 404 : 200 });
  },
});
const http = (key: string, path: string, rules: object = {}) => ({
  ...{ key, type: "http", timeout: "5m", params: { url: new URL(path, receiver.url).href } },
  ...rules,
});

beforeAll(async () => {
  server = await useServer();
}, SERVER_TIMEOUT_MS);
afterAll(() => receiver.stop(true));

const post = (path: string) => server.api(path, { method: "POST" });

async function trigger(id: string): Promise<string> {
  const { body } = await server.api(`/activity-definitions/${id}/trigger`, { json: {} });
  return body.run_id;
}

async function tasksOf(run_id: string) {
  const tasks = (await listTasks(server, run_id)) as Record<string, unknown>[];
  return Object.fromEntries(tasks.map((task) => [task.key, task]));
}

test("a failed task is retried when its receiver is mended: the same run goes on, and what waited for it is done", async () => {
  const { id } = await define(server, {
    task_templates: [http("load", "/mended"), http("report", "/report", { depends_on: ["load"] })],
  });
  const run_id = await trigger(id);
  await finishedRuns(server, id, 1);
  const { load, report } = await tasksOf(run_id);
  expect([load?.status, report?.status]).toEqual(["failed", "skipped"]);

  isMended = true;
  const answers = await Promise.all([post(`/tasks/${load?.task_id}/retry`), post(`/tasks/${load?.task_id}/retry`)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([202, 409]);
  await eventually("the run is over", async () => {
    const { body } = await server.api(`/runs/${run_id}`);
    return body.finished_at !== null && body;
  });
  const { body: run } = await server.api(`/runs/${run_id}`);
  expect(run).toMatchObject({ status: "succeeded", reopened: 1, workflow_id: expect.stringMatching(/:retry-1$/) });
  expect(await tasksOf(run_id)).toMatchObject({
    load: { status: "succeeded", attempts: 2, retried: 1, idempotency_key: load?.idempotency_key },
    report: { status: "succeeded", task_id: report?.task_id },
  });
  const keys = received.filter(({ path }) => path === "/mended").map(({ key }) => key);
  expect(keys).toEqual([load?.idempotency_key as string, load?.idempotency_key as string]);
}, 60_000);

test("a hanging task is cancelled: its request is cut, what handles failures is done, and the run fails by it", async () => {
  const { id } = await define(server, {
    task_templates: [http("slow", "/hang"), http("alert", "/alert", { depends_on: ["slow"], run_when: "any_failed" })],
  });
  const run_id = await trigger(id);
  await eventually("the request hangs", async () => hanging.has("/hang"));
  const { slow } = await tasksOf(run_id);
  expect(await post(`/tasks/${slow?.task_id}/cancel`)).toMatchObject({ status: 202 });
  await eventually("the request is cut", async () => !hanging.has("/hang"), 20_000);
  const [run] = await finishedRuns(server, id, 1);
  expect(run).toMatchObject({ status: "failed", error: "slow: it was cancelled by anonymous" });
  expect(await tasksOf(run_id)).toMatchObject({
    slow: { status: "cancelled", error: { code: "cancelled", message: "it was cancelled by anonymous" } },
    alert: { status: "succeeded" },
  });
  expect(await post(`/tasks/${slow?.task_id}/cancel`)).toMatchObject({ status: 409, body: { code: "task_over" } });
}, 60_000);
