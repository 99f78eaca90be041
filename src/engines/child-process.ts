/**
 * Starting a process of an engine: its environment, user, output and identity.
 *
 * Each child leads a session of its own, so that a Ctrl-C on the terminal reaches only us: the engines must outlive
 * the roles' drain.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { describeError, TerminalError } from "../kernel/errors.ts";
import { sleep } from "../kernel/wait.ts";
import { identify, type ProcessIdentity } from "../processes/process-table.ts";
import type { EngineBinaries } from "./archive.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { EngineLog } from "./engine-log.ts";
import { MARKER } from "./stale-children.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

export interface Command {
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: UnprivilegedUser | undefined;
}

export interface ChildContext {
  readonly dataDir: string;
  readonly log: EngineLog;
  /** Called in the same turn as the spawn, and with undefined when it is gone. */
  readonly record: (key: string, child: ProcessIdentity | undefined) => void;
}

/** What work is done with that an engine needs once, before its first start or after an update. */
export interface Preparation {
  readonly directory: DataDirectory;
  readonly binaries: EngineBinaries;
  readonly context: ChildContext;
  readonly onProgress: (message: string) => void;
  readonly signal: AbortSignal;
}

export interface Child extends ProcessIdentity {
  /** Aborted when the process is gone; the reason is an Error that says how it ended. */
  readonly gone: AbortSignal;
  readonly exitCode: () => number | null;
  /** What to do about the way it ended, where that tells of a damaged binary; undefined otherwise. */
  readonly hint: () => string | undefined;
  signal(signal: NodeJS.Signals): void;
}

/** Nothing of our own environment reaches an engine: PG* and TEMPORAL_* variables would change what it does. */
const ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C.UTF-8", TZ: "UTC", HOME: "/" };

/** @throws TerminalError `engine_not_started` when the operating system refuses */
export function startChild(name: string, command: Command, context: ChildContext): Child {
  const gone = new AbortController();
  let child: ChildProcess;
  try {
    child = spawn(command.path, [...command.args], {
      cwd: "/",
      detached: true,
      stdio: ["ignore", context.log.fd, context.log.fd],
      env: { ...ENVIRONMENT, ...command.env, [MARKER]: context.dataDir },
      ...(command.user ? { uid: command.user.uid, gid: command.user.gid } : {}),
    });
  } catch (error) {
    throw notStarted(command, error);
  }
  const { pid } = child;
  if (pid === undefined) {
    child.once("error", () => {});
    throw notStarted(command, undefined);
  }
  const identity = identify(pid);
  child.once("error", (error) => end(describeError(error)));
  child.once("exit", (code, signal) => end(signal ? `was ended by ${signal}` : `exited with code ${code}`));
  function end(how: string): void {
    if (gone.signal.aborted) return;
    gone.abort(new Error(`${name} ${how}`));
    context.record(name, undefined);
  }
  context.record(name, identity);
  return {
    ...identity,
    gone: gone.signal,
    exitCode: () => child.exitCode,
    hint: () =>
      SIGNS_OF_DAMAGE.has(child.signalCode ?? child.exitCode ?? "")
        ? `Its binary may be damaged. ${hintOfRemoval(command)}`
        : undefined,
    // Through the handle: once the process was reaped it sends nothing, whoever has the pid then.
    signal: (signal) => void child.kill(signal),
  };
}

/**
 * Asks a child to end by each signal in turn, then by SIGKILL, and waits until it is gone. `insisted` goes to SIGKILL.
 * @returns whether SIGKILL was needed
 */
export async function endChild(
  child: Child,
  steps: readonly { signal: NodeJS.Signals; graceMs: number }[],
  insisted?: AbortSignal,
): Promise<boolean> {
  const ended = insisted === undefined ? child.gone : AbortSignal.any([child.gone, insisted]);
  for (const { signal, graceMs } of steps) {
    if (insisted?.aborted) break;
    child.signal(signal);
    await sleep(graceMs, ended);
    if (child.gone.aborted) return false;
  }
  child.signal("SIGKILL");
  // Only a process that hangs in the kernel outlives this; the next start finds it by its marker.
  await sleep(10_000, child.gone);
  return true;
}

/**
 * Runs a command to its end; ends it when `signal` aborts or `withinMs` pass.
 * @throws TerminalError `engine_command_failed` with the last lines of its output; the reason of `signal`
 */
export async function runCommand(
  name: string,
  command: Command,
  context: ChildContext,
  { signal, withinMs }: { signal: AbortSignal; withinMs: number },
): Promise<void> {
  signal.throwIfAborted();
  context.log.mark();
  const child = startChild(name, command, context);
  const late = !(await sleep(withinMs, AbortSignal.any([child.gone, signal])));
  if (!child.gone.aborted) await endChild(child, [{ signal: "SIGTERM", graceMs: 1000 }]);
  signal.throwIfAborted();
  if (late || child.exitCode() !== 0) {
    const how = late ? `did not end within ${withinMs} ms` : describeError(child.gone.reason);
    throw new TerminalError("engine_command_failed", `${name} failed: ${how}\n${context.log.tail(12)}`, {
      hint: [`See ${context.log.path}`, child.hint()].filter(Boolean).join(". "),
    });
  }
}

/** How a program ends whose file, or a library of it, is cut short; 126 and 127 are the loader's. */
const SIGNS_OF_DAMAGE: ReadonlySet<string | number> = new Set(["SIGSEGV", "SIGBUS", "SIGILL", "SIGSYS", 126, 127]);

function hintOfRemoval({ path }: Command): string {
  const directory = /^.*\/engines-[^/]+/.exec(path)?.[0] ?? path;
  return `Remove ${directory}, and the next start unpacks it again`;
}

function notStarted(command: Command, cause: unknown): TerminalError {
  const why = cause === undefined ? "" : `: ${describeError(cause)}`;
  const { code = "ENOEXEC" } = (cause ?? {}) as NodeJS.ErrnoException;
  const what = existsSync(command.path) ? "Its binary may be damaged" : "It is gone";
  return new TerminalError("engine_not_started", `${command.path} could not be started${why}`, {
    // Other codes tell of the system: no memory, no permission.
    ...(["ENOEXEC", "ENOENT"].includes(code) && { hint: `${what}. ${hintOfRemoval(command)}` }),
    cause,
  });
}
