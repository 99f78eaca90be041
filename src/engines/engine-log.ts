/**
 * Where an engine's output goes: `<logs>/<engine>.log`, rotated by size.
 *
 * The engine writes to the file itself, through an appending descriptor, so its output needs none of our memory or
 * time and outlives us. Rotation copies and truncates: the engine keeps its descriptor. A line written between the
 * two steps is lost, which a log can bear.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from "node:fs";

const MAX_BYTES = 10 * 1024 * 1024;
/** How many rotated files are kept beside the current one. */
const KEPT_FILES = 2;
const CHECK_EVERY_MS = 5000;
const TAIL_BYTES = 32 * 1024;
/** Temporal writes stack traces of several KB into one line. */
const TAIL_LINE_LENGTH = 400;

export interface EngineLog {
  readonly path: string;
  /** For the child's stdout and stderr. */
  readonly fd: number;
  /** Remembers the current end: `tail` looks no further back. */
  mark(): void;
  /** The last lines since `mark`, at most `lines`, the long ones cut. */
  tail(lines: number): string;
  close(): void;
}

export function openEngineLog(path: string, maxBytes = MAX_BYTES, checkEveryMs = CHECK_EVERY_MS): EngineLog {
  const fd = openSync(path, "a+", 0o600);
  let marked = 0;

  function rotateWhenFull(): void {
    if (fstatSync(fd).size <= maxBytes) return;
    for (let index = KEPT_FILES - 1; index >= 1; index--) {
      if (existsSync(`${path}.${index}`)) renameSync(`${path}.${index}`, `${path}.${index + 1}`);
    }
    try {
      copyFileSync(path, `${path}.1`);
    } catch (error) {
      rmSync(`${path}.1`, { force: true }); // half a copy on a full disk
      throw error;
    }
    ftruncateSync(fd, 0);
    marked = 0;
  }
  const timer = setInterval(() => {
    try {
      rotateWhenFull();
    } catch {
      // A full disk must not end the server; the next round tries again.
    }
  }, checkEveryMs);
  timer.unref();

  return {
    path,
    fd,
    mark() {
      marked = fstatSync(fd).size;
    },
    tail(lines) {
      const end = fstatSync(fd).size;
      const start = Math.max(marked, end - TAIL_BYTES, 0);
      const buffer = Buffer.alloc(Math.max(0, end - start));
      readSync(fd, buffer, 0, buffer.length, start);
      const last = buffer.toString("utf8").trimEnd().split("\n").slice(-lines);
      return last
        .map((line) => (line.length > TAIL_LINE_LENGTH ? `${line.slice(0, TAIL_LINE_LENGTH)}…` : line))
        .join("\n");
    },
    close() {
      clearInterval(timer);
      closeSync(fd);
    },
  };
}
