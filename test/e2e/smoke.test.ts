/** `make smoke` against a server with its own engines, and against roles beside engines that were started apart. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Client, Connection } from "@temporalio/client";
import type { Definition } from "../../src/definition/schema.ts";
import { eventually } from "../support/engines.ts";
import {
  besides,
  createDirectory,
  findPorts,
  readEndpoints,
  removeDirectory,
  run,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";

const SMOKE = resolve(import.meta.dir, "../smoke/smoke.ts");

function startSmoke(env: Record<string, string>) {
  const child = Bun.spawn([process.execPath, SMOKE], {
    cwd: createDirectory(),
    env: { PATH: "/usr/bin:/bin", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) output += decoder.decode(chunk, { stream: true });
  })();
  return {
    output: () => output,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    async ended() {
      await Promise.all([child.exited, reading]);
      return { code: child.exitCode, output };
    },
  };
}

const smoke = (env: Record<string, string>) => startSmoke(env).ended();

/** A directory with a definition of somebody else's, which must stay as it is. */
async function createDefinitionsDirectory(): Promise<string> {
  const directory = createDirectory();
  chmodSync(directory, 0o755);
  const other = { name: "somebody-elses", trigger_config: { trigger_type: "cron", cron_expression: "0 0 1 1 *" } };
  await Bun.write(join(directory, "other.yaml"), JSON.stringify(other));
  return directory;
}

const listDefinitions = async (server: Server) => (await server.api<Definition[]>("/activity-definitions")).body;

/** Of files, definitions and schedules; `engines` says where Temporal is. */
async function expectNothingLeft(server: Server, directory: string, engines: Server = server): Promise<void> {
  expect(readdirSync(directory)).toEqual(["other.yaml"]);
  const [other, ...more] = await listDefinitions(server);
  expect(more).toEqual([]);
  expect(other).toMatchObject({ name: "somebody-elses", version: 1, enabled: true, retired_at: null });
  const connection = await Connection.connect({ address: readEndpoints(engines).temporalHost });
  try {
    const client = new Client({ connection });
    await eventually("only the other's schedule is listed", async () => {
      const ids = (await Array.fromAsync(client.schedule.list())).map(({ scheduleId }) => scheduleId);
      return Bun.deepEquals(ids, [`activity-schedule-${other?.id}`]);
    });
  } finally {
    await connection.close();
  }
}

describe("against a server with its own engines, the smoke", () => {
  let server: Server;
  let directory: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    directory = await createDefinitionsDirectory();
    server = await startServer({ flags: { ...(await findPorts()), definitionsDirs: directory } });
    env = { ACTCORE_URL: `http://${server.flags.apiAddr}/`, ACTCORE_DEFINITIONS_DIR: directory };
    await server.ready();
  }, SERVER_TIMEOUT_MS);
  afterAll(() => server?.destroy());

  test("passes, and leaves nothing behind", async () => {
    const { code, output } = await smoke(env);
    expect(output).toContain("smoke passed");
    expect(output).toContain(`pid ${server.pid}`);
    expect(output).not.toContain("not checked");
    expect(code).toBe(0);
    await expectNothingLeft(server, directory);
  }, 90_000);

  test.each<[what: string, change: () => Record<string, string>, reason: string]>([
    ["no directory is named", () => ({ ACTCORE_DEFINITIONS_DIR: "" }), "ACTCORE_DEFINITIONS_DIR is not set"],
    ["the directory is not there", () => ({ ACTCORE_DEFINITIONS_DIR: `${directory}/none` }), "none is not there"],
    ["the directory is a file", () => ({ ACTCORE_DEFINITIONS_DIR: `${directory}/other.yaml` }), "is no directory"],
    ["the server reads another one", () => ({ ACTCORE_DEFINITIONS_DIR: createDirectory() }), "does not read"],
    ["the URL is none", () => ({ ACTCORE_URL: "localhost" }), "expected a URL"],
    ["nobody answers", () => ({ ACTCORE_URL: `http://127.0.0.1:1` }), "no server answers"],
    ["a process to look at does not answer", () => ({ ACTCORE_METRICS_URL: "http://127.0.0.1:1" }), "does not answer"],
  ])("ends with 2 and the reason when %s", async (_, change, reason) => {
    const { code, output } = await smoke({ ...env, ...change() });
    expect(output.trimEnd().split("\n").at(-1)).toContain(reason);
    expect(code).toBe(2);
    await expectNothingLeft(server, directory);
  });

  test("does not apply what others have written and not synced", async () => {
    const draft = join(directory, "draft.yaml");
    await Bun.write(
      draft,
      JSON.stringify({ name: "draft", trigger_config: { trigger_type: "event", event_type: "x" } }),
    );
    const { code, output } = await smoke({ ...env, ACTCORE_SMOKE_WAIT_SECONDS: "0" });
    rmSync(draft);
    expect(output).toContain("create draft");
    expect(code).toBe(2);
    await expectNothingLeft(server, directory);
  });

  // The last one: from then on every request needs a key.
  test("needs a key with the scope admin where the server asks for one", async () => {
    const create = async (name: string, scopes: string) => {
      const args = [`--name=${name}`, `--scopes=${scopes}`, `--db-url=${readEndpoints(server).dbUrl}`, "--json"];
      return JSON.parse((await run(["keys", "create", ...args])).stdout).key as string;
    };
    const [reader, admin] = [await create("reader", "definitions:read"), await create("admin", "admin")];
    const without = await smoke(env);
    expect(without.output).toContain("ACTCORE_API_KEY is not set");
    const under = await smoke({ ...env, ACTCORE_API_KEY: reader });
    expect(under.output).toContain("ACTCORE_API_KEY needs the scope admin");
    const right = await smoke({ ...env, ACTCORE_API_KEY: admin });
    expect(right.output).toContain("smoke passed");
    expect([without.code, under.code, right.code]).toEqual([2, 2, 0]);
  }, 90_000);
});

describe("against roles beside engines that were started apart, the smoke", () => {
  const dataDir = createDirectory();
  const servers: Server[] = [];
  let engines: Server;
  let api: Server;
  let worker: Server;
  let directory: string;
  let env: Record<string, string>;
  let start: (roles: string, nth: number, more?: Record<string, string>) => Promise<Server>;
  beforeAll(async () => {
    directory = await createDefinitionsDirectory();
    const flags = await findPorts();
    engines = await startServer({ dataDir, command: "engines", flags });
    servers.push(engines);
    await eventually("the engines run", () => engines.stderr().includes("engines are running"), SERVER_TIMEOUT_MS);
    const { dbUrl, natsUrl, temporalHost } = readEndpoints(engines);
    start = async (roles, nth, more = {}) => {
      const { apiAddr = "", metricsAddr = "" } = besides(flags, nth);
      const server = await startServer({
        roles,
        flags: { apiAddr, metricsAddr, definitionsDirs: directory },
        env: { ACTCORE_DB_URL: dbUrl, NATS_URL: natsUrl, TEMPORAL_HOST: temporalHost, ...more },
      });
      servers.push(server);
      return server;
    };
    [api, worker] = await Promise.all([start("api", 1), start("worker", 2)]);
    await Promise.all([api.ready(), worker.ready()]);
    env = {
      ACTCORE_URL: `http://${api.flags.apiAddr}`,
      ACTCORE_METRICS_URL: `http://${worker.flags.metricsAddr}/metrics`,
      ACTCORE_DEFINITIONS_DIR: directory,
    };
  }, SERVER_TIMEOUT_MS);
  afterAll(async () => {
    for (const server of servers.reverse()) await server.destroy();
    await removeDirectory(dataDir);
  });

  test("ends with 1 when events do not run, and still cleans up", async () => {
    const { code, output } = await smoke({ ...env, ACTCORE_SMOKE_WAIT_SECONDS: "2" });
    expect(output).toMatch(/FAILED an event runs smoke-\w+-event: no run/);
    expect(code).toBe(1);
    await expectNothingLeft(api, directory, engines);
  }, 90_000);

  test("cleans up when it is interrupted", async () => {
    const running = startSmoke(env);
    await eventually("its schedules are there", () => running.output().includes("is active in Temporal"), 60_000);
    running.kill("SIGINT");
    const { code, output } = await running.ended();
    expect(output).toContain("FAILED interrupted");
    expect(code).toBe(1);
    await expectNothingLeft(api, directory, engines);
  }, 90_000);

  test("passes once a router runs, beside a sync role that is often quicker", async () => {
    const [router, syncing] = await Promise.all([
      start("router", 3),
      start("sync", 4, { ACTIVITY_SYNC_INTERVAL_SECONDS: "1" }),
    ]);
    await Promise.all([router.ready(), syncing.ready()]);
    const { code, output } = await smoke(env);
    expect(output).toContain("smoke passed");
    expect(output).toContain(`pid ${worker.pid}`);
    expect(output).toContain("process_start_time_seconds");
    expect(code).toBe(0);
    await expectNothingLeft(api, directory, engines);
  }, 90_000);
});
