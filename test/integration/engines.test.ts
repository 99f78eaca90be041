/** The embedded engines, the real ones: start, life and end of a set. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { connect as connectNats } from "nats";
import postgres from "postgres";
import { runStatus } from "../../src/cli/status.ts";
import { findRunningEngines } from "../../src/engines/data-directory.ts";
import { type EngineSet, startEngines } from "../../src/engines/engine-set.ts";
import type { EngineName, EngineStatus } from "../../src/engines/engine-status.ts";
import type { Config } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { startTimeOf } from "../../src/processes/process-table.ts";
import { createTestConfig, ENGINES_TIMEOUT_MS, eventually, removeDataDir } from "../support/engines.ts";

const log = createLog("silent");
const never = new AbortController().signal;

function statusOf(set: EngineSet, name: EngineName): EngineStatus {
  const status = set.status().find((engine) => engine.name === name);
  if (status === undefined) throw new Error(`${name} is not in the set`);
  return status;
}
const pidsOf = (set: EngineSet) => set.status().map(({ pid }) => pid ?? 0);
const isRunning = (pid: number) => startTimeOf(pid) !== undefined;

let config: Config;
let set: EngineSet;
const progress: string[] = [];

beforeAll(async () => {
  config = await createTestConfig();
  set = await startEngines(config, { log, signal: never, onProgress: (message) => progress.push(message) });
}, ENGINES_TIMEOUT_MS);

afterAll(async () => {
  await set?.close();
  removeDataDir(config);
}, ENGINES_TIMEOUT_MS);

describe("a start on an empty directory", () => {
  test("ends with every engine running, each step told", () => {
    expect(set.status().map(({ name, state }) => [name, state])).toEqual([
      ["postgres", "running"],
      ["nats", "running"],
      ["temporal", "running"],
      ["temporal-ui", "running"],
    ]);
    expect(progress).toContain("creating the database cluster");
    expect(progress).toContain("starting Temporal");
  });

  test("makes a Postgres that is durable, UTF-8, and asks for its password", async () => {
    const url = set.endpoints.dbUrl ?? "";
    const sql = postgres(url, { max: 1 });
    const [row] = await sql`SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
      current_setting('server_encoding') AS encoding, current_setting('server_version') AS version, current_database() AS name`;
    await sql.end();
    expect(row).toMatchObject({ fsync: "on", commit: "on", encoding: "UTF8", name: "actcore" });
    expect(row?.version).toStartWith("18.");

    const wrong = new URL(url);
    wrong.password = "guess";
    const intruder = postgres(wrong.toString(), { max: 1 });
    await expect(intruder`SELECT 1`.execute()).rejects.toMatchObject({ code: "28P01" });
    await intruder.end();
  });

  test("makes a NATS with JetStream that takes messages up to 2 MB", async () => {
    const connection = await connectNats({ servers: set.endpoints.natsUrl ?? "" });
    const account = await (await connection.jetstreamManager()).getAccountInfo();
    expect(account.limits.max_storage).not.toBe(0);
    expect(connection.info?.max_payload).toBe(2 * 1024 * 1024);
    await connection.close();
  });

  test("serves the Web UI", async () => {
    const response = await fetch(set.endpoints.temporalUiUrl ?? "");
    expect(response.status).toBe(200);
    expect(await response.text()).toContain("<html");
  });

  test("keeps its secrets to its own user", () => {
    for (const file of ["engines.json", "postgres-password", "config/temporal.yaml"])
      expect(statSync(join(config.dataDir, file)).mode & 0o077).toBe(0);
  });
});

describe("a second server on the same directory", () => {
  test("is refused, and told who holds it", async () => {
    await expect(startEngines(config, { log, signal: never })).rejects.toMatchObject({
      code: "data_dir_locked",
      message: expect.stringContaining(`pid ${process.pid}`),
    });
  });

  test("finds the engines to attach to", async () => {
    const found = await findRunningEngines(config.dataDir);
    expect(found).toMatchObject({ holder: { pid: process.pid }, endpoints: set.endpoints });
  });
});

test("a server on another directory and the same ports is told of every port at once", async () => {
  const other = { ...config, dataDir: `${config.dataDir}-other` };
  try {
    const error = await startEngines(other, { log, signal: never }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "port_in_use" });
    const variables = new Set((error as { faults: { path: string }[] }).faults.map(({ path }) => path));
    expect([...variables].sort()).toEqual([
      "ACTCORE_NATS_MONITOR_PORT",
      "ACTCORE_NATS_PORT",
      "ACTCORE_POSTGRES_PORT",
      "ACTCORE_TEMPORAL_PORT",
      "ACTCORE_TEMPORAL_UI_PORT",
    ]);
    expect(await findRunningEngines(other.dataDir)).toBeUndefined();
  } finally {
    removeDataDir(other);
  }
});

describe("an engine in trouble", () => {
  test(
    "is started again on the same port when it was killed, all of them at once too",
    async () => {
      const before = pidsOf(set);
      for (const pid of before) process.kill(pid, "SIGKILL");
      await eventually(
        "every engine answers again",
        () => set.status().every(({ state, restarts, error }) => state === "running" && restarts > 0 && !error),
        40_000,
      );
      expect(pidsOf(set).some((pid) => before.includes(pid))).toBe(false);
      const sql = postgres(set.endpoints.dbUrl ?? "", { max: 1 });
      expect(await sql`SELECT 1 AS one`.execute()).toHaveLength(1);
      await sql.end();
    },
    ENGINES_TIMEOUT_MS,
  );

  test(
    "is named when it lives and does not answer, left alone, and well again when it answers",
    async () => {
      const { pid, restarts } = statusOf(set, "nats");
      process.kill(pid ?? 0, "SIGSTOP");
      try {
        await eventually("NATS is named", () => statusOf(set, "nats").error?.includes("does not answer"));
      } finally {
        process.kill(pid ?? 0, "SIGCONT");
      }
      await eventually("NATS is well", () => statusOf(set, "nats").error === undefined);
      expect(statusOf(set, "nats")).toMatchObject({ state: "running", pid: pid ?? 0, restarts });
    },
    ENGINES_TIMEOUT_MS,
  );
});

describe("the status", () => {
  test("is 0 while all run, with pids, versions and sizes", async () => {
    const lines: string[] = [];
    expect(await runStatus(config, { print: (line) => lines.push(line), json: true })).toBe(0);
    const report = JSON.parse(lines.join());
    expect(report.holder.pid).toBe(process.pid);
    expect(report.engines).toHaveLength(4);
    expect(report.engines[0].data_bytes).toBeGreaterThan(1_000_000);
    for (const engine of report.engines) {
      expect(engine).toMatchObject({ kind: "embedded", state: "running" });
      expect(engine.pid).toBeNumber();
      expect(engine.memory_bytes).toBeGreaterThan(1_000_000);
      expect(engine.version).toMatch(/^\d+\./);
    }
  });

  test("is 3 when an engine with a configured URL cannot be reached", async () => {
    const lines: string[] = [];
    const external: Config = {
      ...config,
      natsUrl: "nats://127.0.0.1:1",
      temporalHost: set.endpoints.temporalHost ?? "",
    };
    expect(await runStatus(external, { print: (line) => lines.push(line), json: false })).toBe(3);
    expect(lines.join("\n")).toContain("unreachable (external)");
    expect(lines.join("\n")).toContain("running (external)");
    expect(lines.join("\n")).not.toContain(new URL(set.endpoints.dbUrl ?? "").password);
  });
});

describe("a restart on existing data", () => {
  test(
    "leaves no child behind in between, and finds everything again",
    async () => {
      const sql = postgres(set.endpoints.dbUrl ?? "", { max: 1 });
      await sql`CREATE TABLE kept (n int)`;
      await sql`INSERT INTO kept VALUES (42)`;
      await sql.end();
      const nats = await connectNats({ servers: set.endpoints.natsUrl ?? "" });
      await (await nats.jetstreamManager()).streams.add({ name: "KEPT", subjects: ["kept"] });
      await nats.jetstream().publish("kept", "a message");
      await nats.close();
      const before = { endpoints: set.endpoints, pids: pidsOf(set) };

      await set.close();
      expect(before.pids.filter(isRunning)).toEqual([]);
      expect(existsSync(join(config.dataDir, "engines.json"))).toBe(false);
      expect(await findRunningEngines(config.dataDir)).toBeUndefined();
      expect(await runStatus(config, { print: () => {}, json: true })).toBe(3);

      set = await startEngines(config, { log, signal: never });
      expect(set.endpoints).toEqual(before.endpoints);
      const again = postgres(set.endpoints.dbUrl ?? "", { max: 1 });
      expect([...(await again`SELECT n FROM kept`)]).toEqual([{ n: 42 }]);
      await again.end();
      const natsAgain = await connectNats({ servers: set.endpoints.natsUrl ?? "" });
      expect((await (await natsAgain.jetstreamManager()).streams.info("KEPT")).state.messages).toBe(1);
      await natsAgain.close();
    },
    ENGINES_TIMEOUT_MS,
  );

  test("writes each engine's output to a file of its own", () => {
    for (const { name } of set.status())
      expect(readFileSync(join(config.dataDir, "logs", `${name}.log`), "utf8")).not.toBe("");
  });
});
