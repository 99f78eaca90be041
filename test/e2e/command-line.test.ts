/** What an operator gets wrong, and what the binary says to it. */
import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { eventually } from "../support/engines.ts";
import { besides, findPorts, run, SERVER_TIMEOUT_MS, startServer } from "../support/server.ts";
import { useServer } from "../support/shared-server.ts";

/** Holds a port as somebody else would. */
function occupy(port: number): Promise<() => void> {
  const { promise, resolve, reject } = Promise.withResolvers<() => void>();
  const server = createServer()
    .on("error", reject)
    .listen(port, "127.0.0.1", () => resolve(() => void server.close()));
  return promise;
}

describe("a wrong command line", () => {
  test("ends with 2 and all faults at once, those of variables too, each with its nearest name", async () => {
    const { code, stderr, stdout } = await run(["serve", "--rolls=api", "--log-level=loud", "extra"], {
      ACTCORE_DB_URL: "mysql://root:geheim@db/x",
      ACTCORE_ROLES: "worker,manager",
      ACTIVITY_SYNC_INTERVAL_SECONDS: "soon",
    });
    expect(code).toBe(2);
    expect(stdout).toBe("");
    for (const path of [
      "--rolls",
      "--log-level",
      "extra",
      "ACTCORE_DB_URL",
      "ACTCORE_ROLES",
      "ACTIVITY_SYNC_INTERVAL_SECONDS",
    ])
      expect(stderr).toContain(`  ${path}: `);
    expect(stderr).toContain("Did you mean --roles?");
    expect(stderr).not.toContain("geheim");
  });

  test("with no such command names the nearest one", async () => {
    const { code, stderr } = await run(["srve"]);
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean serve?");
  });
});

test("every command says what it is, and version what it was made from, in an empty folder", async () => {
  const help = await run(["help"]);
  expect(help.code).toBe(0);
  const commands = [...help.stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map((match) => match[1] ?? "");
  expect(commands).toContain("serve");
  for (const command of commands)
    expect((await run(["help", command])).stdout).toMatch(new RegExp(`^actcore ${command}( \\S+)*: `));
  const version = JSON.parse((await run(["version", "--json"])).stdout);
  expect(version).toMatchObject({ bun: expect.any(String), temporal: expect.any(String), nats: expect.any(String) });
});

describe("an occupied port", () => {
  test.each([
    ["NATS", "natsPort", "ACTCORE_NATS_PORT"],
    ["Temporal", "temporalPort", "ACTCORE_TEMPORAL_PORT"],
    ["API", "apiAddr", "ACTCORE_API_ADDR"],
    ["metrics", "metricsAddr", "PROMETHEUS_BIND_ADDR"],
  ] as const)(
    "of %s ends the start with one error that names it and its variable",
    async (what, setting, variable) => {
      const flags = await findPorts();
      const port = Number(flags[setting]?.split(":").at(-1));
      const release = await occupy(port);
      const server = await startServer({ flags });
      try {
        expect(await server.exited).toBe(2);
        const faults = server
          .stderr()
          .split("\n")
          .filter((line) => line.startsWith("  "));
        expect(faults).toHaveLength(1);
        expect(faults[0]).toStartWith(`  ${variable}: `);
        expect(faults[0]).toContain(String(port));
        expect(faults[0]).toContain(what);
      } finally {
        release();
        await server.destroy();
      }
    },
    SERVER_TIMEOUT_MS,
  );
});

test(
  "a second whole server on one data directory attaches to the first one's engines, and leaves them running",
  async () => {
    const first = await useServer();
    const second = await startServer({ dataDir: first.dataDir, flags: besides(first.flags, 5) });
    try {
      await second.ready();
      expect(second.stderr()).toContain("attached to running engines");
      second.kill("SIGTERM");
      expect(await second.exited).toBe(0);
      expect((await first.api("/readyz")).status).toBe(200);
    } finally {
      await second.destroy();
    }
  },
  SERVER_TIMEOUT_MS,
);

test(
  "a server that others can reach ends while there is no key, and says how to make one",
  async () => {
    const flags = await findPorts();
    const port = flags.apiAddr?.split(":")[1];
    const server = await startServer({ flags: { ...flags, apiAddr: `0.0.0.0:${port}` } });
    try {
      expect(await server.exited).toBe(1);
      expect(server.stderr()).toContain("actcore keys create");
      expect(server.stderr()).toContain("--insecure-no-auth");
    } finally {
      await server.destroy();
    }
  },
  SERVER_TIMEOUT_MS,
);

test(
  "a second server on another data directory does not share the first one's API port",
  async () => {
    const first = await useServer();
    const flags = { ...(await findPorts()), apiAddr: first.flags.apiAddr ?? "" };
    const second = await startServer({ flags });
    try {
      expect(await second.exited).toBe(2);
      expect(second.stderr()).toContain("ACTCORE_API_ADDR");
    } finally {
      await second.destroy();
    }
  },
  SERVER_TIMEOUT_MS,
);

test(
  "a second SIGINT cuts a drain short, with code 4",
  async () => {
    // Busy with a request that is never answered.
    const { promise: called, resolve: hear } = Promise.withResolvers<void>();
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: () => {
        hear();
        return new Promise<Response>(() => {});
      },
    });
    const server = await startServer();
    try {
      await server.ready();
      const definition = await server.api("/activity-definitions", {
        json: {
          name: "slow",
          trigger_config: { trigger_type: "event", event_type: "slow" },
          task_templates: [{ key: "call", type: "http", params: { url: receiver.url.href }, timeout: "10m" }],
        },
      });
      expect(definition.status).toBe(201);
      const event = { event_id: "1", type: "slow", source: "e2e", occurred_at: new Date().toISOString(), payload: {} };
      await server.api("/events", { json: event });
      await called;
      server.kill("SIGINT");
      await eventually("it stops", () => server.stderr().includes('"stopping"'));
      const start = performance.now();
      server.kill("SIGINT");
      expect(await server.exited).toBe(4);
      expect(performance.now() - start).toBeLessThan(8_000);
    } finally {
      receiver.stop(true);
      await server.destroy();
    }
  },
  SERVER_TIMEOUT_MS,
);
