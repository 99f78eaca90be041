/**
 * Clears the engines that a killed server left behind. Call only while holding the data directory's lock.
 *
 * Three ways to find them, since each has a hole: the record names a child once it was spawned; the marker variable
 * that every child carries closes the window between spawn and record; Postgres' own children overwrite their
 * environment, and are known by their working directory. The latter two need /proc.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RetryableError } from "../kernel/errors.ts";
import { sleep } from "../kernel/wait.ts";
import {
  executableNameOf,
  hasEnvironment,
  isAlive,
  listProcesses,
  type ProcessIdentity,
  workingDirectoryOf,
} from "../processes/process-table.ts";
import type { DataDirectory, EnginesRecord } from "./data-directory.ts";

/** Every engine process carries this variable with the real path of its data directory. */
export const MARKER = "ACTCORE_ENGINE_OF";

/** How Postgres is asked to end, in order: a clean shutdown, an immediate one, and SIGKILL for all that is left. */
const POSTGRES_STEPS = [
  { signal: "SIGINT", waitMs: 3000 },
  { signal: "SIGQUIT", waitMs: 2000 },
  { signal: "SIGKILL", waitMs: 5000 },
] as const;

/**
 * Ends every engine process of this directory and waits until it is gone.
 * @returns the pids that were found
 * @throws RetryableError `stale_engines` when one survives SIGKILL (it hangs in the kernel)
 */
export async function clearStaleChildren(directory: DataDirectory, record?: EnginesRecord): Promise<number[]> {
  const found = findChildren(directory, record);
  if (found.length === 0) return [];

  // Only Postgres gains from a clean end: the others lose nothing that was acknowledged, and would keep it busy.
  const isPostgres = ({ pid }: ProcessIdentity) => executableNameOf(pid) === "postgres";
  for (const each of found) if (!isPostgres(each)) signalProcess(each, "SIGKILL");
  const postmaster = readPostmasterPid(directory.postgres);
  for (const { signal, waitMs } of POSTGRES_STEPS) {
    for (const each of findChildren(directory, record)) {
      // The same signals mean other things to the postmaster's children.
      if (signal === "SIGKILL" || (each.pid === postmaster && isPostgres(each))) signalProcess(each, signal);
    }
    if (await gone(() => findChildren(directory, record), waitMs)) return found.map(({ pid }) => pid);
  }
  const left = findChildren(directory, record).map(({ pid }) => pid);
  throw new RetryableError(
    "stale_engines",
    `engine processes of ${directory.path} cannot be ended: ${left.join(", ")}`,
  );
}

function findChildren(directory: DataDirectory, record?: EnginesRecord): ProcessIdentity[] {
  const found = new Map<number, ProcessIdentity>();
  for (const child of record?.children ?? []) if (isAlive(child)) found.set(child.pid, child);
  for (const each of listProcesses()) {
    if (each.pid === process.pid) continue;
    const isPostgres = () =>
      workingDirectoryOf(each.pid)?.startsWith(`${directory.postgres}/`) && executableNameOf(each.pid) === "postgres";
    if (hasEnvironment(each.pid, MARKER, directory.path) || isPostgres()) found.set(each.pid, each);
  }
  return [...found.values()];
}

/** Signals exactly this process: a reused pid is left alone. */
function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // It ended in between.
  }
}

async function gone(find: () => ProcessIdentity[], withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (find().length > 0) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

function readPostmasterPid(postgresDirectory: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(join(postgresDirectory, "data", "postmaster.pid"), "utf8"), 10);
  } catch {
    return undefined;
  }
}
