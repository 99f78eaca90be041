/** URLs that events bring, through the whole server: its ledger still knows, when a task is tried, that an expression chose the host. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { findOwnAddress, urlsOf, urlsOfThisHost } from "../support/forbidden-hosts.ts";
import { startReceiver } from "../support/http-receiver.ts";
import { SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns } from "../support/shared-server.ts";

const seen: string[] = [];
/** Listens on every address of this host. */
const canary = Bun.serve({
  hostname: "::",
  port: 0,
  fetch(request) {
    seen.push(new URL(request.url).pathname);
    return Response.json({});
  },
});
const port = canary.port as number;
const listed = startReceiver(200);

let server: Server;
beforeAll(async () => {
  server = await startServer({ env: { ACTCORE_HTTP_ALLOW: new URL(listed.url).host } });
  await server.ready();
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  await canary.stop(true);
  listed.stop();
  await server?.destroy();
});

/** An activity that sends a request for its context, and one as a task. */
const definition = (url: string) => ({
  context_sources: [{ name: "it", type: "http", url, timeout: "5s", retry: 0, optional: true }],
  task_templates: [{ key: "call", type: "http", timeout: "5s", retry: { max_attempts: 1 }, params: { url } }],
});

test("reach nothing on this host but what is listed, by a context source or by a task", async () => {
  const urls = [...urlsOf("127.0.0.1", port), ...urlsOf(findOwnAddress(), port), ...urlsOfThisHost(port)];
  const computed = await define(server, definition("{{ event.payload.url }}"));
  for (const url of [...urls, listed.url])
    await server.api("/events", { json: envelope(computed.type, { payload: { url } }) });
  const runs = await finishedRuns(server, computed.id, urls.length + 1, 60_000);
  expect(runs.filter(({ status }) => status === "succeeded")).toHaveLength(1);
  expect(listed.received.map(({ method }) => method)).toEqual(["GET", "POST"]);
  expect(seen).toEqual([]);

  const written = await define(server, definition(`http://${findOwnAddress()}:${port}/{{ event.payload.path }}`));
  await server.api("/events", { json: envelope(written.type, { payload: { path: "written" } }) });
  await finishedRuns(server, written.id);
  expect(seen).toEqual(["/written", "/written"]);
}, 120_000);
