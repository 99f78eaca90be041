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
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { enginesArchive, enginesKey, engineVersions } from "../generated/engines.ts";
import { describeError, TerminalError } from "../kernel/errors.ts";

/** The engines' executables and their versions. */
export type EngineBinaries = Readonly<ReturnType<typeof binariesIn>>;

function binariesIn(directory: string) {
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
  return binariesIn(directory);
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
  // zstd is Bun's own addition to the standard's formats, unknown to the DOM's types.
  const decompression = new DecompressionStream("zstd" as CompressionFormat);
  const chunks = Bun.file(archive).stream().pipeThrough(decompression)[Symbol.asyncIterator]();
  /** What has come and was not read yet. */
  let rest: Uint8Array = new Uint8Array();

  /** Hands on the next `bytes` of the archive in the parts in which they come. */
  async function read(bytes: number, take: (part: Uint8Array) => void): Promise<void> {
    for (let left = bytes; left > 0; ) {
      if (rest.length === 0) {
        signal.throwIfAborted();
        const { done, value } = await chunks.next();
        if (done) throw new Error("the archive ends in the middle of an entry");
        rest = value;
      }
      const part = rest.subarray(0, left);
      rest = rest.subarray(part.length);
      left -= part.length;
      take(part);
    }
  }
  async function readHeader(): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    await read(BLOCK, (part) => void parts.push(part));
    return Buffer.concat(parts);
  }

  for (let header = await readHeader(); header[0] !== 0; header = await readHeader()) {
    const name = textAt(header, 0, 100);
    const path = join(directory, name);
    if (!path.startsWith(`${directory}/`)) throw new Error(`the archive's entry ${name} leaves its directory`);
    const mode = Number.parseInt(textAt(header, 100, 8), 8);
    const type = String.fromCharCode(header[156] ?? 0);
    if (type === "5") makeDirectory(path, mode | 0o555);
    else if (type === "2") symlinkSync(textAt(header, 157, 100), path);
    else if (type === "0") {
      const size = Number.parseInt(textAt(header, 124, 12), 8);
      mkdirSync(dirname(path), { recursive: true });
      const fd = openSync(path, "wx", mode);
      try {
        fchmodSync(fd, mode | 0o444); // whatever the umask is
        await read(size, (part) => writeFileSync(fd, part));
      } finally {
        closeSync(fd);
      }
      await read((BLOCK - (size % BLOCK)) % BLOCK, () => {});
    } else throw new Error(`the archive's entry ${name} is of the unexpected type ${type}`);
  }
  // An entry without a name is the end. The rest is read because a checksum follows.
  while (!(await chunks.next()).done);
}

function textAt(header: Buffer, from: number, length: number): string {
  return header.toString("utf8", from, from + length).replace(/\0.*$/s, "");
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
