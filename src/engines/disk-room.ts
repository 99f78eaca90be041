/** Whether the file system of an engine's data takes writes again. */
import { rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";

const MEBIBYTE = 1024 ** 2;
/** What has to be free before an engine whose writes failed is restarted; on a small file system this share of it. */
const ROOM_BYTES = 64 * MEBIBYTE;
const ROOM_SHARE = 1 / 20;
const TRIAL_BYTES = 64 * 1024;

/** Rejects with an Error that says what is missing: room, or the permission of the file system to use it. */
export async function requireRoom(directory: string): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(directory);
  const free = bavail * bsize;
  const needed = Math.min(ROOM_BYTES, blocks * bsize * ROOM_SHARE);
  if (free < needed) throw new Error(`${directory} has ${inMebibytes(free)} free and needs ${inMebibytes(needed)}`);
  await writeTrial(join(directory, ".actcore-trial"));
}

/** Writes a small file, because free space does not tell of missing inodes, a quota, or a file system that went read-only. */
async function writeTrial(path: string): Promise<void> {
  try {
    await writeFile(path, Buffer.alloc(TRIAL_BYTES), { mode: 0o600, flush: true });
  } finally {
    await rm(path, { force: true });
  }
}

function inMebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}
