/**
 * Which files a tree has: .yaml, .yml and .json, at any depth, in the order of their paths.
 *
 *   - Hidden entries (`.git`, Kubernetes' `..data`) are passed over.
 *   - A link is followed when what it stands for lies inside the tree; what is reached by a path of its own is not read a
 *     second time by way of a link, so links cannot loop. A link that leaves the tree is a fault.
 */
import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { describeError } from "../kernel/errors.ts";
import type { FileFault } from "./document.ts";

/** Files of one tree, and entries of its directories that are looked at for them. */
const MAX_FILES = 10_000;
const MAX_ENTRIES = 100_000;
/** Of a path below the tree; Postgres cannot index a much longer one. */
const MAX_PATH_BYTES = 1_000;
export const LEAVES_THE_TREE = "is a link that leaves the tree";
const DEFINITION_FILE = /\.(ya?ml|json)$/i;

/** What a tree has; `paths` are below it, with `/`. `root` is where it really is. */
interface Listing {
  root: string;
  paths: string[];
  faults: FileFault[];
}

/** Never rejects. */
export async function listTree(directory: string): Promise<Listing> {
  const paths: string[] = [];
  const faults: FileFault[] = [];
  const note = (path: string, message: string, source = `file:${path}`) =>
    void faults.push({ source, subject: join(directory, path), message });
  /** Directories that a link led to. */
  const followed = new Set<string>();
  let entries = 0;
  let root = directory;
  try {
    root = await realpath(directory);
    await walk("");
  } catch (error) {
    note("", `cannot be read: ${describeFileError(error)}`, "file:");
  }
  paths.sort();
  if (entries > MAX_ENTRIES) note("", `has more than ${MAX_ENTRIES} entries: not all of them are read`, "file:");
  else if (paths.length > MAX_FILES)
    note(
      "",
      `has ${paths.length} files, more than ${MAX_FILES}: those after ${paths[MAX_FILES - 1]} are not read`,
      "file:",
    );
  return { root, paths: paths.slice(0, MAX_FILES), faults };

  /** @throws when the directory itself cannot be read */
  async function walk(path: string): Promise<void> {
    const found = await readdir(join(root, path), { withFileTypes: true });
    for (const entry of found) {
      if (entry.name.startsWith(".")) continue;
      if (++entries > MAX_ENTRIES) return;
      await visit(entry, path === "" ? entry.name : `${path}/${entry.name}`);
    }
  }

  async function visit(entry: Dirent, path: string): Promise<void> {
    const isDefinition = DEFINITION_FILE.test(path);
    const isLong = Buffer.byteLength(path) > MAX_PATH_BYTES;
    if (isLong && (entry.isDirectory() || isDefinition))
      note(path, `has a path of more than ${MAX_PATH_BYTES} bytes`, `file:${path}${entry.isDirectory() ? "/" : ""}`);
    else if (isLong) return;
    else if (entry.isSymbolicLink()) await follow(path, isDefinition);
    else if (entry.isDirectory() && isDefinition) note(path, "is a directory, with a file's name", `file:${path}/`);
    else if (entry.isDirectory()) await walkBelow(path);
    else if (isDefinition && entry.isFile()) paths.push(path);
    else if (isDefinition) note(path, "is no regular file");
  }

  async function walkBelow(path: string): Promise<void> {
    try {
      await walk(path);
    } catch (error) {
      note(path, `cannot be read: ${describeFileError(error)}`, `file:${path}/`);
    }
  }

  async function follow(path: string, isDefinition: boolean): Promise<void> {
    let real: string;
    let isDirectory: boolean;
    try {
      real = await realpath(join(root, path));
      const target = await stat(real);
      isDirectory = target.isDirectory();
      if (!isDirectory && !isDefinition) return;
      if (!isDirectory && !target.isFile()) return note(path, "is a link to what is no regular file");
    } catch (error) {
      if (isDefinition) note(path, `is a link that cannot be followed: ${describeFileError(error)}`);
      return;
    }
    const source = `file:${path}${isDirectory ? "/" : ""}`;
    if (!isInside(root, real)) return note(path, LEAVES_THE_TREE, source);
    if (isDirectory && isDefinition) return note(path, "is a directory, with a file's name", source);
    const target = relative(root, real);
    const isReached = !target.split(sep).some((name) => name.startsWith("."));
    if (isReached && (isDirectory || DEFINITION_FILE.test(target))) return;
    if (followed.has(real)) return;
    followed.add(real);
    if (isDirectory) await walkBelow(path);
    else paths.push(path);
  }
}

/** Whether a real path is that of `root` or of something below it. */
export function isInside(root: string, path: string): boolean {
  const below = relative(root, path);
  return below !== ".." && !below.startsWith(`..${sep}`);
}

/** What went wrong, without the path that the message names already. */
export function describeFileError(error: unknown): string {
  const { code } = error as { code?: string };
  if (code === "ENOENT") return "it is not there";
  if (code === "ENOTDIR") return "it is no directory";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "ELOOP") return "its links lead in a circle";
  return describeError(error);
}
