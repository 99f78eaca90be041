/**
 * Ends what the tests started when the test process is gone, however that ended.
 *
 * A program of its own: `bun test/support/leash.ts ROOT OWNER_PID`. Every server of a test works in a directory below
 * ROOT, and every engine says below which data directory it works: that is how they are found, not by their parents.
 */
import { readFileSync, rmSync } from "node:fs";
import {
  listProcesses,
  type ProcessIdentity,
  startTimeOf,
  workingDirectoryOf,
} from "../../src/processes/process-table.ts";

const ENGINE_VARIABLE = "ACTCORE_ENGINE_OF";

/** The live processes that work for `directory`, or for one below it. */
export function findAllOf(directory: string): ProcessIdentity[] {
  const below = (path: string) => path === directory || path.startsWith(`${directory}/`);
  return listProcesses().filter(({ pid }) => {
    if (pid === process.pid) return false;
    const marks = readEnvironment(pid).filter((entry) => entry.startsWith(`${ENGINE_VARIABLE}=`));
    return below(workingDirectoryOf(pid) ?? "") || marks.some((mark) => below(mark.slice(ENGINE_VARIABLE.length + 1)));
  });
}

/** Kills them, again and again until none is left. */
export async function endAllOf(directory: string): Promise<void> {
  for (let left = findAllOf(directory); left.length > 0; left = findAllOf(directory)) {
    for (const { pid } of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended in between.
      }
    }
    await Bun.sleep(25);
  }
}

function readEnvironment(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}

if (import.meta.main) {
  const [root = "", owner = ""] = process.argv.slice(2);
  const startedAt = startTimeOf(Number(owner));
  // A signal to the whole terminal ends the owner, and then us.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  while (startedAt !== undefined && startTimeOf(Number(owner)) === startedAt) await Bun.sleep(200);
  await endAllOf(root);
  rmSync(root, { recursive: true, force: true });
}
