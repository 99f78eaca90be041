/**
 * The build cache outside the checkout: what is slow to make and the same for every checkout (engines, Bun runtimes).
 *
 * A key names everything that an entry was made from, so an entry is never changed and never stale; deleting the
 * whole directory only costs time.
 */
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export const CACHE = process.env.ACTCORE_BUILD_CACHE || join(homedir(), ".cache", "actcore");

/**
 * The directory of cache entry `key`, made by `make(directory)` when it is not there yet.
 *
 * `make` fills a directory of its own, which is renamed when it is whole: a killed build leaves nothing that looks
 * finished, and of two builds at once the first to finish wins.
 */
export async function cached(key: string, make: (directory: string) => Promise<void>): Promise<string> {
  const entry = join(CACHE, key);
  if (existsSync(entry)) return entry;
  const draft = `${entry}.tmp-${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  try {
    await make(draft);
    await rename(draft, entry).catch((error) => {
      if (!existsSync(entry)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return entry;
}
