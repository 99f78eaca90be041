/**
 * Real engines for tests, started once and never left behind.
 *
 * `useEngines` hands out one set for the whole `bun test` process. The set lives in a process of its own, the keeper
 * (this file, run as a program), which ends when its stdin does: with the test process, however that ended. A runner
 * of several test processes starts a keeper itself, keeps its stdin open, and names its file to all of them:
 *
 *   bun test/support/engines.ts /tmp/engines.json   →   ACTCORE_TEST_ENGINES=/tmp/engines.json bun test …
 *
 * The file appears, whole, once the engines answer.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Config, type Flags, loadConfig } from "../../src/config.ts";
import { type EngineEndpoints, startEngines } from "../../src/engines/engine-set.ts";
import { checkPorts, neededPorts } from "../../src/engines/ports.ts";
import { describeError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";

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
  const file = process.env.ACTCORE_TEST_ENGINES;
  if (file) return JSON.parse(readFileSync(file, "utf8"));
  const keeper = spawn(process.execPath, [import.meta.path], { stdio: ["pipe", "pipe", "inherit"], detached: true });
  keeper.unref();
  const answer = await new Promise<string>((resolve, reject) => {
    createInterface(keeper.stdout).once("line", resolve);
    keeper.once("error", reject);
    keeper.once("exit", (code) => reject(new Error(`the engines' keeper ended with code ${code}`)));
  });
  return JSON.parse(answer);
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
      postgres: base + 20,
      nats: base + 21,
      natsMonitor: base + 22,
      temporalUi: base + 23,
      temporal: base + 300,
    };
    try {
      await checkPorts(neededPorts(ports, ["postgres", "nats", "temporal", "temporal-ui"]));
    } catch {
      continue;
    }
    return {
      postgresPort: String(ports.postgres),
      natsPort: String(ports.nats),
      natsMonitorPort: String(ports.natsMonitor),
      temporalPort: String(ports.temporal),
      temporalUiPort: String(ports.temporalUi),
    };
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

async function keep(file: string | undefined): Promise<void> {
  const ended = new AbortController();
  for (const event of ["end", "close", "error"]) process.stdin.once(event, () => ended.abort(new Error("stdin ended")));
  process.stdin.resume();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort(new Error(signal)));

  const config = await createTestConfig();
  try {
    const set = await startEngines(config, { log: createLog("error"), signal: ended.signal });
    const answer = JSON.stringify(set.endpoints);
    if (file !== undefined) {
      writeFileSync(`${file}.new`, answer, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    } else process.stdout.write(`${answer}\n`);
    await new Promise<void>((resolve) => {
      if (ended.signal.aborted) resolve();
      ended.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await set.close();
  } finally {
    removeDataDir(config);
    if (file !== undefined) rmSync(file, { force: true });
  }
}

if (import.meta.main) {
  try {
    await keep(process.argv[2]);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`test engines: ${describeError(error)}\n`);
    process.exit(1);
  }
}
