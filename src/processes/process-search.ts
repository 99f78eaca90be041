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
   */
  find(value: string): Promise<NamedProcess[]>;
}

/** A search takes some 30 ms for a thousand processes. The next one begins after so many times as long as it took. */
const PAUSE = 4;
const WITHIN_MS = 3_000;

/** Those who ask while one search is made share the next one. */
export function createProcessSearch(variable: string): ProcessSearch {
  const prefix = `\0${variable}=`;
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<ReadonlyMap<string, NamedProcess[]>> | undefined;

  function searchNext(): Promise<ReadonlyMap<string, NamedProcess[]>> {
    next ??= current.then(() => {
      next = undefined;
      const startedMs = performance.now();
      const found = search();
      current = found.then(() => sleep(PAUSE * (performance.now() - startedMs)));
      return found;
    });
    return next;
  }

  async function search(): Promise<ReadonlyMap<string, NamedProcess[]>> {
    const found = new Map<string, NamedProcess[]>();
    for (const name of await readdir("/proc").catch(() => [])) {
      const pid = Number(name);
      if (!Number.isInteger(pid)) continue;
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
    async find(value) {
      try {
        const found = await inTime(searchNext(), WITHIN_MS, () => new Error("the search takes too long"));
        return found.get(value) ?? [];
      } catch {
        return [];
      }
    },
  };
}
