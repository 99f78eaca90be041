/** Starts of the embedded engines that go wrong, and what a killed server leaves behind. */
import { afterEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unpackEngines } from "../../src/engines/archive.ts";
import { readRecord } from "../../src/engines/data-directory.ts";
import { type EngineSet, startEngines } from "../../src/engines/engine-set.ts";
import { MARKER } from "../../src/engines/stale-children.ts";
import type { Config } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { hasEnvironment, listProcesses, startTimeOf } from "../../src/processes/process-table.ts";
import { createTestConfig, ENGINES_TIMEOUT_MS, eventually, findFreePorts, removeDataDir } from "../support/engines.ts";

const log = createLog("silent");
const never = new AbortController().signal;
const isRoot = process.getuid?.() === 0;

const sets: EngineSet[] = [];
const configs: Config[] = [];
async function newConfig(): Promise<Config> {
  const config = await createTestConfig();
  configs.push(config);
  return config;
}
async function start(config: Config): Promise<EngineSet> {
  const set = await startEngines(config, { log, signal: never });
  sets.push(set);
  return set;
}
afterEach(async () => {
  for (const set of sets.splice(0).reverse()) await set.close();
  for (const config of configs.splice(0)) removeDataDir(config);
}, ENGINES_TIMEOUT_MS);

const childrenOf = ({ dataDir }: Config) => listProcesses().filter(({ pid }) => hasEnvironment(pid, MARKER, dataDir));

test(
  "the engines of a server that was killed are ended by the next start, which then runs on the same data",
  async () => {
    const config = await newConfig();
    const program = `
      const { startEngines } = await import(${JSON.stringify(join(import.meta.dir, "../../src/engines/engine-set.ts"))});
      const { createLog } = await import(${JSON.stringify(join(import.meta.dir, "../../src/kernel/log.ts"))});
      await startEngines(${JSON.stringify(config)}, { log: createLog("error"), signal: new AbortController().signal });
      console.log("running");`;
    const owner = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve, reject) => {
      owner.stdout.once("data", resolve);
      owner.once("exit", reject);
    });
    const left = readRecord(config.dataDir)?.children ?? [];
    expect(left.map(({ name }) => name).sort()).toEqual(["nats", "postgres", "temporal", "temporal-ui"]);
    owner.removeAllListeners("exit");
    owner.kill("SIGKILL");
    await eventually("the owner is gone", () => startTimeOf(owner.pid ?? 0) === undefined);
    expect(left.every(({ pid, startedAt }) => startTimeOf(pid) === startedAt)).toBe(true);
    // As if the owner had died between a spawn and its record: only the marker finds the others then.
    if (process.platform === "linux") {
      const path = join(config.dataDir, "engines.json");
      const record = JSON.parse(readFileSync(path, "utf8"));
      writeFileSync(path, JSON.stringify({ ...record, children: record.children.slice(0, 1) }));
    }

    const set = await start(config);
    expect(left.filter(({ pid, startedAt }) => startTimeOf(pid) === startedAt)).toEqual([]);
    expect(set.status().every(({ state }) => state === "running")).toBe(true);
  },
  ENGINES_TIMEOUT_MS,
);

describe("a start that is aborted", () => {
  for (const step of ["creating the database cluster", "setting up Temporal's schema", "starting Temporal"]) {
    test(
      `while ${step} leaves no process and no lock`,
      async () => {
        const config = await newConfig();
        const abort = new AbortController();
        const reason = new Error("stopped by the test");
        const onProgress = (message: string) => {
          if (message === step) setTimeout(() => abort.abort(reason), 20);
        };
        const outcome = await startEngines(config, { log, signal: abort.signal, onProgress }).catch((error) => error);
        expect(outcome).toBe(reason);
        expect(childrenOf(config)).toEqual([]);
        expect(readRecord(config.dataDir)).toBeUndefined();
      },
      ENGINES_TIMEOUT_MS,
    );
  }
});

describe("a start that fails", () => {
  test(
    "says so with the last lines of the engine's log, and leaves nothing",
    async () => {
      const config = await newConfig();
      // JetStream refuses a store that is a file.
      mkdirSync(join(config.dataDir, "nats"));
      writeFileSync(join(config.dataDir, "nats", "jetstream"), "in the way");
      const error = await startEngines(config, { log, signal: never }).catch((error: unknown) => error);
      expect(error).toMatchObject({ code: "engine_failed", message: expect.stringContaining("JetStream") });
      expect(childrenOf(config)).toEqual([]);
    },
    ENGINES_TIMEOUT_MS,
  );

  test(
    "says which directory to remove when an engine's binary is cut short",
    async () => {
      const config = await newConfig();
      const cacheDir = join(config.dataDir, "cache");
      const { nats, directory } = await unpackEngines(cacheDir, { onProgress: () => {}, signal: never });
      const alone = { ...config, cacheDir, dbUrl: "postgresql://unused", temporalHost: "unused:1" };
      for (const [size, code] of [
        [Math.round(statSync(nats).size / 2), "engine_failed"],
        [0, "engine_not_started"],
      ] as const) {
        truncateSync(nats, size);
        const error = await startEngines(alone, { log, signal: never }).catch((error: unknown) => error);
        expect(error).toMatchObject({ code, hint: expect.stringContaining(`Remove ${directory}, and the next start`) });
      }
    },
    ENGINES_TIMEOUT_MS,
  );

  test("names the version when the data was made by another Postgres", async () => {
    const config = await newConfig();
    mkdirSync(join(config.dataDir, "postgres", "data"), { recursive: true });
    writeFileSync(join(config.dataDir, "postgres", "data", "PG_VERSION"), "16\n");
    await expect(startEngines(config, { log, signal: never })).rejects.toMatchObject({
      code: "postgres_version_mismatch",
      message: expect.stringContaining("Postgres 16"),
    });
  });

  test.if(isRoot)("names the directory that Postgres' user cannot enter", async () => {
    const config = await newConfig();
    const closed = join(config.dataDir, "closed");
    mkdirSync(closed);
    chmodSync(closed, 0o700);
    const error = await startEngines({ ...config, dataDir: join(closed, "data") }, { log, signal: never }).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({
      code: "directory_unreachable",
      message: expect.stringContaining(`cannot enter ${closed}`),
      hint: expect.stringContaining("ACTCORE_DATA_DIR"),
    });
  });
});

test(
  "an embedded Temporal uses the configured Postgres, and makes its databases there",
  async () => {
    const first = await newConfig();
    const server = await start({ ...first, natsUrl: "nats://unused:1", temporalHost: "unused:1" });
    expect(server.status().map(({ name }) => name)).toEqual(["postgres"]);

    const second = await newConfig();
    const set = await start({ ...second, dbUrl: server.endpoints.dbUrl ?? "", natsUrl: "nats://unused:1" });
    expect(set.status().map(({ name, state }) => [name, state])).toEqual([
      ["temporal", "running"],
      ["temporal-ui", "running"],
    ]);
    expect(set.endpoints.dbUrl).toBeUndefined();
  },
  ENGINES_TIMEOUT_MS,
);

test("nothing is started and no directory is made when every engine has a URL", async () => {
  const { temporalPort } = await findFreePorts();
  const config = await newConfig();
  const urls = { dbUrl: "postgresql://u@h/d", natsUrl: "nats://h:1", temporalHost: `h:${temporalPort}` };
  const set = await start({ ...config, ...urls, dataDir: join(config.dataDir, "untouched") });
  expect(set.status()).toEqual([]);
  expect(set.endpoints).toEqual({});
  expect(() => readFileSync(join(config.dataDir, "untouched"))).toThrow("ENOENT");
});
