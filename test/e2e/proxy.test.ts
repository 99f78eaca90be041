/** A server whose environment names a proxy for everything. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startReceiver } from "../support/http-receiver.ts";
import { SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns, listTasks } from "../support/shared-server.ts";

/** Stands for every host that is asked for through it. */
const proxied: string[] = [];
const proxy = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    proxied.push(request.url);
    return new Response("by way of the proxy");
  },
});
const url = proxy.url.href;

let server: Server;
beforeAll(async () => {
  server = await startServer({ env: { HTTP_PROXY: url, https_proxy: url, all_proxy: url, NO_PROXY: "" } });
  await server.ready();
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  proxy.stop(true);
  await server?.destroy();
});

test("starts its engines, shows its metrics and reaches this host without it; tasks for other hosts go through it", async () => {
  expect((await server.monitor("/metrics")).text).toContain("temporal_");
  const receiver = startReceiver(200);
  const task = (key: string, to: string) => ({ key, type: "http", params: { url: to, method: "GET" } });
  const { id, type } = await define(server, {
    task_templates: [task("here", receiver.url), task("there", "http://shop.test/orders")],
  });
  await server.api("/events", { json: envelope(type) });
  const [run] = await finishedRuns(server, id);
  const tasks = await listTasks(server, run?.run_id as string);
  receiver.stop();

  const bodies = tasks.map(({ result }) => (result as { body: unknown } | null)?.body);
  expect(bodies).toHaveLength(2);
  expect(bodies).toEqual(expect.arrayContaining([{ answered: 200 }, "by way of the proxy"]));
  expect(proxied).toEqual(["http://shop.test/orders"]);
});
