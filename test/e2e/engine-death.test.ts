/** Engines that die under a running server: each comes back, the roles wait, and nothing has to be restarted. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "../support/engines.ts";
import { readStatus, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns } from "../support/shared-server.ts";

let server: Server;
beforeAll(async () => {
  server = await startServer();
  await server.ready();
}, SERVER_TIMEOUT_MS);
afterAll(() => server?.destroy(), SERVER_TIMEOUT_MS);

const statusOf = async (name: string) => (await readStatus(server)).engines.find((engine) => engine.name === name);

test.each(["nats", "temporal", "postgres"])(
  "%s, killed, is started again, and an event published afterwards becomes a finished run",
  async (name) => {
    const definition = await define(server);
    const before = await statusOf(name);
    const start = performance.now();
    process.kill(before?.pid ?? 0, "SIGKILL");
    await eventually(
      "it has come back with another pid",
      async () => {
        const now = await statusOf(name);
        return now?.state === "running" && now.error === undefined && now.pid !== before?.pid;
      },
      20_000,
    );
    const backMs = performance.now() - start;
    await server.ready(20_000);

    const event = envelope(definition.type);
    await eventually("the event is published", async () => {
      const { status } = await server.api("/events", { json: event });
      return status === 202;
    });
    const runs = await finishedRuns(server, definition.id, 1, 45_000);
    console.log(
      `${name}: back after ${Math.round(backMs)} ms, a run is done after ${Math.round(performance.now() - start)} ms`,
    );
    expect(runs.map(({ status, event_id }) => [status, event_id])).toEqual([["succeeded", event.event_id]]);
    expect((await statusOf(name))?.restarts).toBe((before?.restarts ?? 0) + 1);
  },
  90_000,
);

test(
  "the server that outlived them all ends with code 0",
  async () => {
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  },
  SERVER_TIMEOUT_MS,
);
