/**
 * From the archive inside the binary to executables on disk: `<cacheDir>/engines-<key>`, unpacked once.
 *
 * Unpacked beside its place and renamed into it, so what stands there is whole; of two processes that unpack at once
 * the later one throws its copy away, and what a killed one left is removed by a later start. Readable by everyone: Postgres
 * runs as another user below root.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fchmodSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { enginesArchive, enginesKey, engineVersions } from "../generated/engines.ts";
import { describeError, TerminalError } from "../kernel/errors.ts";

export interface EngineBinaries {
  readonly directory: string;
  readonly versions: typeof engineVersions;
  readonly initdb: string;
  readonly postgres: string;
  readonly nats: string;
  readonly temporal: string;
  readonly temporalSqlTool: string;
  readonly temporalUi: string;
}

/**
 * Answers the engines' executables, unpacking them when they are not there yet.
 * @throws TerminalError `engines_not_unpacked`; the reason of `signal`
 */
export async function unpackEngines(
  cacheDir: string,
  { onProgress, signal }: { onProgress(message: string): void; signal: AbortSignal },
): Promise<EngineBinaries> {
  const directory = join(cacheDir, `engines-${enginesKey}`);
  removeLeftOvers(cacheDir);
  if (!existsSync(directory)) {
    const temporary = `${directory}.tmp-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
    onProgress("unpacking the engines");
    try {
      mkdirSync(cacheDir, { recursive: true, mode: 0o755 });
      makeDirectory(temporary, 0o755);
      await unpack(enginesArchive, temporary, signal);
      renameSync(temporary, directory);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      signal.throwIfAborted();
      if (!existsSync(directory)) {
        throw new TerminalError(
          "engines_not_unpacked",
          `the engines cannot be unpacked to ${directory}: ${describeError(error)}`,
          { hint: hintFor(error), cause: error },
        );
      }
    }
  }
  return {
    directory,
    versions: engineVersions,
    initdb: join(directory, "postgres", "bin", "initdb"),
    postgres: join(directory, "postgres", "bin", "postgres"),
    nats: join(directory, "bin", "nats-server"),
    temporal: join(directory, "bin", "temporal-server"),
    temporalSqlTool: join(directory, "bin", "temporal-sql-tool"),
    temporalUi: join(directory, "bin", "temporal-ui-server"),
  };
}

/** A directory that an unpack is at work on, or has left. Those of deploy/build have other names. */
const DRAFT = /^engines-.+\.tmp-\d+-[0-9a-f]{8}$/;
/** No unpack takes this long. The pid in the name says nothing: another container may share the cache. */
const DRAFT_AGE_MS = 15 * 60_000;

/** Removes what unpacks that were killed have left, some hundred MB each. What cannot be removed stays. */
function removeLeftOvers(cacheDir: string): void {
  try {
    for (const name of readdirSync(cacheDir)) {
      const path = join(cacheDir, name);
      if (DRAFT.test(name) && Date.now() - statSync(path).mtimeMs > DRAFT_AGE_MS)
        rmSync(path, { recursive: true, force: true });
    }
  } catch {
    // There is no cache yet, or another process was faster, or it is another user's.
  }
}

const BLOCK = 512;

/** Unpacks our own archive (ustar: directories, files, relative symlinks) while it decompresses, in some MB of memory. */
async function unpack(archive: string, directory: string, signal: AbortSignal): Promise<void> {
  const header = Buffer.alloc(BLOCK);
  let filled = 0; // bytes of the header that have come
  let left = 0; // bytes of the current file still to come
  let padding = 0;
  let fd = -1;

  function text(from: number, length: number): string {
    const end = header.indexOf(0, from);
    return header.toString("utf8", from, end < 0 || end > from + length ? from + length : end);
  }
  function beginEntry(): void {
    const name = text(0, 100);
    if (name === "") return; // the zero blocks at the end
    const path = join(directory, name);
    if (!path.startsWith(`${directory}/`)) throw new Error(`the archive's entry ${name} leaves its directory`);
    const mode = Number.parseInt(text(100, 8), 8);
    const type = String.fromCharCode(header[156] ?? 0);
    if (type === "5") makeDirectory(path, mode | 0o555);
    else if (type === "2") symlinkSync(text(157, 100), path);
    else if (type === "0") {
      left = Number.parseInt(text(124, 12), 8);
      padding = (BLOCK - (left % BLOCK)) % BLOCK;
      mkdirSync(dirname(path), { recursive: true });
      fd = openSync(path, "wx", mode);
      fchmodSync(fd, mode | 0o444); // whatever the umask is
      if (left === 0) endFile();
    } else throw new Error(`the archive's entry ${name} is of the unexpected type ${type}`);
  }
  function endFile(): void {
    closeSync(fd);
    fd = -1;
  }

  try {
    // zstd is Bun's own addition to the standard's formats, unknown to the DOM's types.
    const decompression = new DecompressionStream("zstd" as CompressionFormat);
    for await (const chunk of Bun.file(archive).stream().pipeThrough(decompression)) {
      signal.throwIfAborted();
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const written = writeSync(fd, chunk, at, Math.min(left, chunk.length - at));
          at += written;
          left -= written;
          if (left === 0) endFile();
        } else if (padding > 0) {
          const skipped = Math.min(padding, chunk.length - at);
          at += skipped;
          padding -= skipped;
        } else {
          const taken = Math.min(BLOCK - filled, chunk.length - at);
          header.set(chunk.subarray(at, at + taken), filled);
          at += taken;
          filled += taken;
          if (filled === BLOCK) {
            filled = 0;
            beginEntry();
          }
        }
      }
    }
    if (left > 0 || filled > 0) throw new Error("the archive ends in the middle of an entry");
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function hintFor(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const what = code === "ENOSPC" || code === "EDQUOT" ? "Make room on its disk" : "Make the directory writable";
  return `${what}, or choose another one with ACTCORE_CACHE_DIR`;
}

function makeDirectory(path: string, mode: number): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
}
