/**
 * The compiled binary, started as an operator would: from an empty folder, with no Node, Bun or node_modules in sight.
 *
 * Nothing is left behind: a leash (leash.ts) outlives the test process and ends what that did not.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseJson } from "../../src/json/parse.ts";
import { type Flags, loadConfig } from "../../src/kernel/config.ts";
import { SETTINGS, type SettingName } from "../../src/kernel/settings.ts";
import { eventually, findFreePorts } from "./engines.ts";
import { endAllOf } from "./leash.ts";

/** What a hook that starts a server needs: `beforeAll(…, SERVER_TIMEOUT_MS)`. */
export const SERVER_TIMEOUT_MS = 60_000;

export const BINARY = process.env.ACTCORE_TEST_BINARY ?? resolve(import.meta.dir, "../../dist/actcore");
/** Engines are unpacked once per machine, not per test. */
const CACHE_DIR = loadConfig({}, { HOME: process.env.HOME, ACTCORE_CACHE_DIR: process.env.ACTCORE_CACHE_DIR }).cacheDir;

export interface ServerOptions {
  /** `serve` unless given. */
  command?: "serve" | "engines";
  roles?: string;
  /** A new one unless given. */
  dataDir?: string;
  /** All of the environment but PATH and HOME. */
  env?: Record<string, string>;
  /** Win over everything that is chosen here. */
  flags?: Flags;
  /** A file that stderr goes to; nothing of it is read. */
  stderrFile?: string;
  /** Another one than that under test, such as an earlier release's. */
  binary?: string;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Server {
  readonly pid: number;
  readonly dataDir: string;
  /** As given, to start another process with the same ones. */
  readonly flags: Flags;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  /** A request to the API; an object as `json` is posted. */
  // biome-ignore lint/suspicious/noExplicitAny: the answer is whatever the test says it expects
  api<T = any>(path: string, init?: RequestInit & { json?: unknown }): Promise<Answer<T>>;
  /** A GET on the monitor's port, which every process has. */
  monitor(path: string): Promise<{ status: number; text: string }>;
  /** Resolves when `/readyz` answers 200. */
  ready(withinMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Ends it and its engines at once, without asking. */
  destroy(): Promise<void>;
}

let root: string | undefined;

/** A directory below the tests' own root, which is removed when the test process is gone. */
export function createDirectory(): string {
  if (root === undefined) {
    root = realpathSync(mkdtempSync(join(tmpdir(), "actcore-e2e-")));
    chmodSync(root, 0o711); // Postgres' unprivileged user passes through
    // By way of a shell that ends at once: `bun test` kills its own children whenever a test times out.
    const command = [process.execPath, join(import.meta.dir, "leash.ts"), root, String(process.pid)];
    spawnSync("sh", ["-c", `${command.map((word) => `'${word}'`).join(" ")} </dev/null >/dev/null 2>&1 &`]);
  }
  const path = mkdtempSync(join(root, "d-"));
  chmodSync(path, 0o711);
  return path;
}

/** Free ports of everything: engines, API and monitor. */
export async function findPorts(): Promise<Flags> {
  for (;;) {
    const ports = await findFreePorts();
    const base = Number(ports.postgresPort) + 10;
    if (isFree(base) && isFree(base + 1)) return { ...ports, ...monitorAt(base), apiAddr: `127.0.0.1:${base + 1}` };
  }
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}

/** The addresses of a further process beside one with `flags`: `nth` is 1, 2, … */
export function besides(flags: Flags, nth: number): Flags {
  const port = Number(flags.metricsAddr?.split(":")[1]) + 2 * nth;
  return { ...flags, ...monitorAt(port), apiAddr: `127.0.0.1:${port + 1}` };
}

function monitorAt(port: number): Flags {
  return { metricsAddr: `127.0.0.1:${port}` };
}

/** Starts the binary; resolves at once. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const { command = "serve", roles } = options;
  const dataDir = options.dataDir ?? createDirectory();
  const flags: Flags = { cacheDir: CACHE_DIR, ...(options.flags ?? (await findPorts())) };
  const own: Flags = { dataDir, ...flags, ...(roles !== undefined && { roles }) };
  const child = spawn([command, ...toArguments(own, command)], options);
  const output = { stdout: "", stderr: "" };
  const reading = Promise.all(
    (["stdout", "stderr"] as const).map(async (name) => {
      const decoder = new TextDecoder();
      for await (const chunk of child[name] ?? []) output[name] += decoder.decode(chunk, { stream: true });
    }),
  );
  const exited = child.exited.then(async (code) => {
    await Promise.race([reading, Bun.sleep(1000)]);
    return child.signalCode ?? code;
  });
  const api = `http://${flags.apiAddr}`;
  const monitor = `http://${flags.metricsAddr}`;

  return {
    pid: child.pid,
    dataDir,
    flags,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    exited,
    async api(path, { json, ...init } = {}) {
      const posted = json === undefined ? {} : { method: "POST", body: JSON.stringify(json), headers: JSON_HEADERS };
      const response = await fetch(`${api}${path}`, { signal: AbortSignal.timeout(10_000), ...posted, ...init });
      return { status: response.status, headers: response.headers, body: parseJson(await response.text()) as never };
    },
    async monitor(path) {
      const response = await fetch(`${monitor}${path}`, { signal: AbortSignal.timeout(10_000) });
      return { status: response.status, text: await response.text() };
    },
    async ready(withinMs = 30_000) {
      let last = "";
      try {
        await eventually(
          "the server is ready",
          async () => {
            if (child.exitCode !== null || child.signalCode !== null) throw new Error("it has ended");
            const answer = await fetch(`${monitor}/readyz`).catch(() => undefined);
            last = (await answer?.text()) ?? "no answer";
            return answer?.status === 200;
          },
          withinMs,
        );
      } catch (error) {
        throw new Error(`${(error as Error).message}; ${last}\n${output.stdout}\n${output.stderr}`);
      }
    },
    kill: (signal) => child.kill(signal),
    async destroy() {
      child.kill("SIGKILL");
      await child.exited;
      if (options.dataDir === undefined) await removeDirectory(dataDir);
    },
  };
}

const JSON_HEADERS = { "content-type": "application/json" };

/** Ends all that works on the directory, and removes it. */
export async function removeDirectory(path: string): Promise<void> {
  await endAllOf(path);
  rmSync(path, { recursive: true, force: true });
}

/** Runs a command of the binary to its end. */
export async function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(args, { env });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
}

/** `actcore status --json` of a data directory. */
export async function readStatus({ dataDir, flags }: Pick<Server, "dataDir" | "flags">): Promise<StatusReport> {
  const { stdout } = await run(["status", "--json", ...toArguments({ dataDir, ...flags }, "engines")]);
  return JSON.parse(stdout);
}

export interface StatusReport {
  holder: { pid: number } | null;
  engines: { name: string; state: string; pid: number; restarts: number; memory_bytes: number; error?: string }[];
}

/** What the engines' record says: where they are. Throws while there is none. */
export function readEndpoints({ dataDir }: Pick<Server, "dataDir">) {
  return JSON.parse(readFileSync(join(dataDir, "engines.json"), "utf8")).endpoints as {
    dbUrl: string;
    natsUrl: string;
    temporalHost: string;
    temporalUiUrl: string;
  };
}

function spawn(args: string[], { env, stderrFile, binary = BINARY }: ServerOptions) {
  if (!existsSync(binary)) throw new Error(`${binary} is not there: make build`);
  const cwd = createDirectory(); // empty
  const home = join(cwd, "home");
  mkdirSync(home);
  return Bun.spawn([binary, ...args], {
    cwd,
    env: { PATH: "/usr/bin:/bin", HOME: home, ...env },
    stdio: ["ignore", "pipe", stderrFile === undefined ? "pipe" : Bun.file(stderrFile)],
  }) as Bun.Subprocess<"ignore", "pipe", "pipe">; // without a stderr of its own where that goes to a file
}

const ENGINE_SETTINGS = /^(dataDir|cacheDir|dbUrl|natsUrl|temporalHost|temporalNamespace|logLevel|.*Port)$/;

function toArguments(flags: Flags, command: string): string[] {
  return (Object.entries(flags) as [SettingName, string][])
    .filter(([name]) => command === "serve" || ENGINE_SETTINGS.test(name))
    .map(([name, value]) => `--${SETTINGS[name].flag}=${value}`);
}
