/** Finds processes by a variable that they were started with: also those that left their group for a session of their own. */
import { readdir, readFile } from "node:fs/promises";
import { inTime, sleep } from "../kernel/wait.ts";

export interface NamedProcess {
  pid: number;
  /** As the kernel has it: at most 15 bytes of the name of its executable. */
  name: string;
}

export interface ProcessSearch {
  /**
   * The processes that live and whose variable has this value, as far as this process may read their environments. None where
   * the system does not tell, or not in time.
   * @param since a process that began before all of them, and when that was, by `performance.now()`
   */
  find(value: string, since: { pid: number; at: number }): Promise<NamedProcess[]>;
}

/** A search takes some 30 ms for a thousand processes. The next one begins after so many times as long as it took. */
const PAUSE = 4;
const WITHIN_MS = 3_000;
/** Processes get numbers one after the other, round and round: for so long nobody counts on more than one round. */
const ONE_ROUND_MS = 10_000;
const FEW = 64;

/** Those who ask for all while one search is made share the next one. */
export function createProcessSearch(variable: string): ProcessSearch {
  const prefix = `\0${variable}=`;
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<ReadonlyMap<string, NamedProcess[]>> | undefined;

  /** Of a process that began a short while ago, those that began after it are few. */
  async function searchSince({ pid, at }: { pid: number; at: number }) {
    const last = performance.now() - at < ONE_ROUND_MS ? await readLastPid() : undefined;
    if (last === undefined || last < pid || last - pid > FEW) return searchNext();
    return search(Array.from({ length: last - pid }, (_, index) => pid + 1 + index));
  }

  function searchNext(): Promise<ReadonlyMap<string, NamedProcess[]>> {
    next ??= current.then(async () => {
      next = undefined;
      const startedMs = performance.now();
      const found = readdir("/proc").then((names) => search(names.map(Number).filter(Number.isInteger)));
      current = found.then(
        () => sleep(PAUSE * (performance.now() - startedMs)),
        () => {},
      );
      return found;
    });
    return next;
  }

  async function search(pids: readonly number[]): Promise<ReadonlyMap<string, NamedProcess[]>> {
    const found = new Map<string, NamedProcess[]>();
    for (const pid of pids) {
      // It may be another user's, or have ended just now.
      const environment = await readFile(`/proc/${pid}/environ`).catch(() => undefined);
      const value = environment && readValue(environment);
      if (value === undefined) continue;
      const comm = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
      found.set(value, [...(found.get(value) ?? []), { pid, name: comm.trim() || "?" }]);
    }
    return found;
  }

  function readValue(environment: Buffer): string | undefined {
    const begin = `\0${environment.toString("latin1")}`.indexOf(prefix);
    if (begin < 0) return undefined;
    const from = begin - 1 + prefix.length;
    const end = environment.indexOf(0, from);
    return environment.toString("utf8", from, end < 0 ? environment.length : end);
  }

  return {
    async find(value, since) {
      try {
        const found = await inTime(searchSince(since), WITHIN_MS, () => new Error("the search takes too long"));
        return found.get(value) ?? [];
      } catch {
        return [];
      }
    },
  };
}

/** The number that a process got last, of those that this one sees. */
async function readLastPid(): Promise<number | undefined> {
  const text = await readFile("/proc/loadavg", "utf8");
  return Number(/ (\d+)\s*$/.exec(text)?.[1]) || undefined;
}
