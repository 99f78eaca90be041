/** The bytes of one definition file, read within bounds, and whether it may still be being written. */
import type { Stats } from "node:fs";
import { constants, open, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { MAX_FILE_BYTES } from "./document-text.ts";
import { describeFileError, isInside, LEAVES_THE_TREE } from "./tree-paths.ts";

/** A file's bytes, and which state of it they are. */
export interface Content {
  bytes: Uint8Array;
  changedMs: number;
  state: string;
}

/** Waits for `quietMs`, then answers which of these files have changed since they were read. */
export async function findMoving(
  root: string,
  recent: ReadonlyMap<string, Content>,
  quietMs: number,
): Promise<ReadonlySet<string>> {
  if (recent.size === 0) return new Set();
  await new Promise((resolve) => setTimeout(resolve, quietMs));
  const moving = [...recent].map(async ([path, { state }]) => {
    const now = await stat(join(root, path)).then(stateOf, () => undefined);
    return now === state ? [] : [path];
  });
  return new Set((await Promise.all(moving)).flat());
}

function stateOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [ino, size, mtimeMs, ctimeMs].join(" ");
}

/** A file's bytes, or why there are none. */
export async function readBytes(root: string, path: string): Promise<Content | string> {
  for (let attempt = 1; ; attempt++) {
    try {
      const real = await realpath(join(root, path));
      // The path may lead to another file than when it was listed.
      return isInside(root, real) ? await readRegularFile(real) : LEAVES_THE_TREE;
    } catch (error) {
      // Kubernetes replaces the directory to which its links lead: the second attempt finds the new one.
      if ((error as { code?: string }).code === "ENOENT" && attempt === 1) continue;
      return `cannot be read: ${describeFileError(error)}`;
    }
  }
}

/** Never waits for a writer, as opening a FIFO otherwise does, and never reads more than a file may have. */
export async function readRegularFile(path: string): Promise<Content | string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return "is no regular file";
    if (stat.size > MAX_FILE_BYTES) return `has ${stat.size} bytes, more than ${MAX_FILE_BYTES}`;
    const bytes = Buffer.alloc(stat.size + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.length; length += count)
      count = (await file.read(bytes, length, bytes.length - length)).bytesRead;
    // A file that was cut while it was read may still be valid, although documents of it are missing.
    if (length !== stat.size) return "changes while it is read";
    return { bytes: bytes.subarray(0, length), changedMs: stat.ctimeMs, state: stateOf(stat) };
  } finally {
    await file.close();
  }
}

/** Whether it ends where a writer may have stopped in the middle. JSON that is cut there is no JSON, so it needs no such look. */
export function isUnended(bytes: Uint8Array, path: string): boolean {
  if (bytes.length === 0 || /\.json$/i.test(path)) return false;
  const end = new TextDecoder().decode(bytes.subarray(-100));
  return !end.endsWith("\n") || /(^|\n)---\s*$/.test(end);
}
