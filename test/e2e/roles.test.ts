/** Roles in processes of their own beside `actcore engines`, in either order, in several copies, and without engines. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eventually, findFreePorts } from "../support/engines.ts";
import { connectNats } from "../support/nats-client.ts";
import {
  besides,
  createDirectory,
  findPorts,
  readEndpoints,
  removeDirectory,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";
import { define, envelope, finishedRuns, listRuns, useServer } from "../support/shared-server.ts";

test(
  "the api alone lists definitions, and names in /readyz the engines that it does not reach",
  async () => {
    const whole = await useServer();
    const { name } = await define(whole);
    const { natsPort, temporalPort } = await findFreePorts();
    const env = {
      ACTCORE_DB_URL: readEndpoints(whole).dbUrl,
      NATS_URL: `nats://127.0.0.1:${natsPort}`,
      TEMPORAL_HOST: `127.0.0.1:${temporalPort}`,
    };
    const api = await startServer({ roles: "api", env });
    try {
      const definitions = await eventually("it lists definitions", async () => {
        const answer = await api.api("/activity-definitions?limit=500").catch(() => undefined);
        return answer?.status === 200 && answer.body;
      });
      expect(definitions.map((definition: { name: string }) => definition.name)).toContain(name);

      const ready = await api.api("/readyz");
      expect(ready.status).toBe(503);
      expect(ready.body.engines).toMatchObject({
        postgres: { state: "up" },
        nats: { state: "down" },
        temporal: { state: "down" },
      });
      expect(ready.body.roles.api.waiting_for).toEqual(["nats", "temporal"]);
      const refused = await api.api("/events", { json: envelope("nobody.takes.it") });
      expect(refused.status).toBe(503);
      expect(refused.body.code).toBe("nats_unavailable");

      api.kill("SIGTERM");
      expect(await api.exited).toBe(0);
    } finally {
      await api.destroy();
    }
  },
  SERVER_TIMEOUT_MS,
);

describe("roles started before their engines", () => {
  const dataDir = createDirectory();
  const servers: Server[] = [];
  let [api, router, worker, second]: Server[] = [];

  beforeAll(async () => {
    const flags = await findPorts();
    const start = async (roles: string, nth: number) => {
      const server = await startServer({ dataDir, roles, flags: besides(flags, nth) });
      servers.push(server);
      return server;
    };
    api = await start("api,router", 0);
    worker = await start("worker", 1);
    await eventually("the api says what it waits for", async () => {
      const answer = await api?.api("/readyz").catch(() => undefined);
      return answer?.status === 503 && answer.body.roles.router.waiting_for.length === 3;
    });
    servers.push(await startServer({ dataDir, command: "engines", flags }));
    router = await start("router", 2);
    second = await start("worker", 3);
    await Promise.all([api, router, worker, second].map((server) => server?.ready()));
  }, SERVER_TIMEOUT_MS);

  afterAll(async () => {
    for (const server of servers) await server.destroy();
    await removeDirectory(dataDir);
  }, SERVER_TIMEOUT_MS);

  test(
    "make of 200 events 200 runs, with two routers and two workers at once",
    async () => {
      const server = api as Server;
      const definition = await define(server);
      const nats = await connectNats(server);
      const events = Array.from({ length: 200 }, () => envelope(definition.type));
      await Promise.all(
        events.map((event) => nats.jetstream({ timeout: 20_000 }).publish("activity.many", JSON.stringify(event))),
      );
      await nats.close();
      const runs = await finishedRuns(server, definition.id, 200, 45_000);
      expect(runs).toHaveLength(200);
      expect(runs.filter(({ status }) => status !== "succeeded")).toEqual([]);
      expect(new Set(runs.map(({ event_id }) => event_id)).size).toBe(200);
      expect(await listRuns(server, definition.id)).toHaveLength(200);
      // Both copies of each had their share.
      const counts = await Promise.all([
        countOf(router, "actcore_events_total"),
        countOf(api, "actcore_events_total"),
        countOf(worker, "actcore_runs_total"),
        countOf(second, "actcore_runs_total"),
      ]);
      console.log(`events per router: ${counts.slice(0, 2)}; runs per worker: ${counts.slice(2)}`);
      expect((counts[2] ?? 0) + (counts[3] ?? 0)).toBe(200);
      expect(Math.min(...counts)).toBeGreaterThan(0);
    },
    SERVER_TIMEOUT_MS,
  );

  test(
    "take an event after the engines were stopped and started again",
    async () => {
      const server = api as Server;
      const engines = servers[2] as Server;
      const definition = await define(server);
      engines.kill("SIGTERM");
      expect(await engines.exited).toBe(0);
      await eventually("readyz says so", async () => (await server.api("/readyz")).status === 503);
      const again = await startServer({ dataDir, command: "engines", flags: engines.flags });
      servers.push(again);
      await Promise.all([api, router, worker, second].map((each) => each?.ready()));
      await eventually("the event is published", async () => {
        const { status } = await server.api("/events", { json: envelope(definition.type) });
        return status === 202;
      });
      const runs = await finishedRuns(server, definition.id);
      expect(runs.map(({ status }) => status)).toEqual(["succeeded"]);
    },
    SERVER_TIMEOUT_MS,
  );

  test("end with code 0, and leave the engines running", async () => {
    const roles = [api, router, worker, second].filter((server) => server !== undefined);
    for (const role of roles) role.kill("SIGTERM");
    expect(await Promise.all(roles.map(({ exited }) => exited))).toEqual([0, 0, 0, 0]);
    const nats = await connectNats(api as Server);
    await nats.flush();
    await nats.close();
  });

  async function countOf(server: Server | undefined, metric: string): Promise<number> {
    const { text } = (await server?.monitor("/metrics")) ?? { text: "" };
    const lines = text.split("\n").filter((line) => line.startsWith(`${metric}{`));
    return lines.reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
  }
});
