/**
 * Real engines for tests, started once and never left behind.
 *
 * `useEngines` hands out one set for the whole `bun test` process. The set lives in a process of its own, the keeper
 * (this file, run as a program), which ends with its owner, the test process, however that ended. A runner of several
 * test processes starts a keeper itself, with itself as the owner, and names its file to all of them:
 *
 *   bun test/support/engines.ts /tmp/engines.json $$ &   →   ACTCORE_TEST_ENGINES=/tmp/engines.json bun test …
 *
 * The file appears, whole, once the engines answer; `{"error": …}` stands in it when they do not.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEngines } from "../../src/engines/engine-set.ts";
import type { EngineEndpoints } from "../../src/engines/engine-status.ts";
import { checkPorts, neededPorts } from "../../src/engines/ports.ts";
import { type Config, type Flags, loadConfig } from "../../src/kernel/config.ts";
import { describeError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { aborted } from "../../src/kernel/wait.ts";
import { isAlive, type ProcessIdentity, startTimeOf } from "../../src/processes/process-table.ts";

/** What a hook that may start engines needs: `beforeAll(…, ENGINES_TIMEOUT_MS)`. */
export const ENGINES_TIMEOUT_MS = 60_000;

const SHARED = Symbol.for("actcore.test.engines");

/** Endpoints of the engines that all tests of this process share; started by the first call. */
export function useEngines(): Promise<EngineEndpoints> {
  // On globalThis: each test file may get its own copy of this module.
  const shared = globalThis as { [SHARED]?: Promise<EngineEndpoints> };
  shared[SHARED] ??= attachOrStart();
  return shared[SHARED];
}

async function attachOrStart(): Promise<EngineEndpoints> {
  const given = process.env.ACTCORE_TEST_ENGINES;
  const file = given || join(tmpdir(), `actcore-test-engines-${process.pid}-${crypto.randomUUID().slice(0, 8)}.json`);
  if (!given) {
    // By way of a shell that ends at once: `bun test` kills its own children whenever a test times out.
    const command = [process.execPath, import.meta.path, file, String(process.pid)]
      .map((word) => `'${word}'`)
      .join(" ");
    spawnSync("sh", ["-c", `${command} </dev/null >/dev/null &`], { stdio: ["ignore", "ignore", "inherit"] });
  }
  const answer = await eventually(
    "the test engines answer",
    () => existsSync(file) && JSON.parse(readFileSync(file, "utf8")),
    ENGINES_TIMEOUT_MS,
  );
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

/** A configuration on a new data directory and free ports; remove the directory with `removeDataDir`. */
export async function createTestConfig(flags: Flags = {}): Promise<Config> {
  return loadConfig({ dataDir: createDataDir(), ...(await findFreePorts()), ...flags }, cacheOf(process.env));
}

/** A directory that Postgres' unprivileged user may pass. */
export function createDataDir(): string {
  const path = mkdtempSync(join(tmpdir(), "actcore-engines-"));
  chmodSync(path, 0o711);
  return path;
}

export function removeDataDir({ dataDir }: Config): void {
  rmSync(dataDir, { recursive: true, force: true });
}

/** Ports below the range from which systems give out ports of outgoing connections; all that Temporal needs included. */
export async function findFreePorts(): Promise<Flags> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = 20_000 + Math.floor(Math.random() * 11_000);
    const ports = {
      postgresPort: base + 20,
      natsPort: base + 21,
      natsMonitorPort: base + 22,
      temporalUiPort: base + 23,
      temporalPort: base + 300,
    };
    try {
      await checkPorts(neededPorts(ports, ["postgres", "nats", "temporal", "temporal-ui"]));
    } catch {
      continue;
    }
    return Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]));
  }
  throw new Error("no free ports");
}

/** Polls until `condition` answers something, and answers that; fails with `what` at the deadline. */
export async function eventually<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await Bun.sleep(25);
  }
}

/** Only where the engines are unpacked is taken from the environment: once per machine, not per run. */
function cacheOf({ ACTCORE_CACHE_DIR, XDG_CACHE_HOME, HOME }: NodeJS.ProcessEnv) {
  return { ACTCORE_CACHE_DIR, XDG_CACHE_HOME, HOME };
}

/** Runs engines until their owner is gone, or a signal comes. */
async function keep(file: string, owner: ProcessIdentity): Promise<void> {
  const ended = new AbortController();
  const watch = setInterval(() => isAlive(owner) || ended.abort(new Error("the owner is gone")), 200);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ended.abort(new Error(signal)));
  const answer = (content: object) => {
    writeFileSync(`${file}.new`, JSON.stringify(content), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };

  const config = await createTestConfig();
  try {
    const set = await startEngines(config, { log: createLog("error"), signal: ended.signal });
    answer(set.endpoints);
    await aborted(ended.signal);
    await set.close();
  } catch (error) {
    answer({ error: `the test engines did not start: ${describeError(error)}` });
    await aborted(ended.signal);
  } finally {
    clearInterval(watch);
    removeDataDir(config);
    rmSync(file, { force: true });
  }
}

if (import.meta.main) {
  const [file = "", owner = ""] = process.argv.slice(2);
  const startedAt = startTimeOf(Number(owner));
  if (file === "" || startedAt === undefined) {
    process.stderr.write("usage: bun test/support/engines.ts FILE OWNER_PID\n");
    process.exit(2);
  }
  await keep(file, { pid: Number(owner), startedAt });
  process.exit(0);
}
