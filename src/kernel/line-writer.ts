/**
 * Writes lines to a file descriptor, for the log and for what a command prints. A descriptor that cannot be written must
 * cost the process nothing but the line: its disk may be full, its reader gone, or its reader there and not reading.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { describeError, TerminalError } from "./errors.ts";

/** How long a line may wait for a reader that is behind, in milliseconds. */
const PATIENCE_MS = 100;
const RETRY_EVERY_MS = 5;

/**
 * Answers a function that writes a line, which ends with a newline, and says whether it was written; it never throws. A line
 * that cannot be written is given up: at once when the line before was given up too.
 */
export function createLossyWriter(descriptor: number): (line: string) => boolean {
  const fd = withoutBlocking(descriptor);
  let stuck = false;
  /** Set when only a part of the last line was written: the next line then begins with a newline. */
  let torn = false;
  return (line) => {
    const bytes = Buffer.from(torn ? `\n${line}` : line);
    const until = performance.now() + (stuck ? 0 : PATIENCE_MS);
    const { written } = writeUntil(fd, bytes, () => performance.now() > until);
    stuck = written < bytes.length;
    if (written > 0) torn = stuck;
    return !stuck;
  };
}

/**
 * Writes a whole text, however long its reader takes.
 * @throws TerminalError `output_not_written` when the disk is full or the reader has gone
 */
export function writeWhole(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  const { written, failure } = writeUntil(fd, bytes, () => false);
  if (written < bytes.length)
    throw new TerminalError("output_not_written", `descriptor ${fd} cannot be written: ${describeError(failure)}`);
}

/** Answers how many bytes were written, and why not all: an error, or `isOver` while the reader is behind. */
function writeUntil(fd: number, bytes: Buffer, isOver: () => boolean): { written: number; failure?: unknown } {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EINTR") continue;
      if (code !== "EAGAIN" || isOver()) return { written, failure: error };
      Atomics.wait(WAITING, 0, 0, RETRY_EVERY_MS);
    }
  }
  return { written };
}

const WAITING = new Int32Array(new SharedArrayBuffer(4));

/**
 * The same pipe or terminal, opened anew so that a write to it never blocks: the flag of the descriptor itself is shared
 * with other processes. What is neither, or cannot be opened so (a socket, another platform than Linux), stays as it is.
 */
function withoutBlocking(descriptor: number): number {
  try {
    if (!isatty(descriptor) && !fstatSync(descriptor).isFIFO()) return descriptor;
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    return openSync(`/proc/self/fd/${descriptor}`, flags);
  } catch {
    return descriptor;
  }
}
