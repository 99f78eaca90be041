/**
 * Reads many pipes, in rounds: one call asks the system which of them have something, and from each so much is read that
 * whoever writes without end waits, and not the rest of this process. Bun's own streams hold a copy of the descriptor until
 * they are collected, and read as fast as somebody writes.
 */
import { closeSync, readSync } from "node:fs";
import { findReadable } from "./descriptors.ts";

/** Bytes that are read in one round, of one pipe and of all. */
const PIPE_BYTES = 262_144;
const ROUND_BYTES = 1_048_576;
/** From round to round, milliseconds: where there was much to read, and where there was nothing. */
const BUSY_MS = 1;
const IDLE_MS = 40;

export interface FollowedPipe {
  /** Resolves when all writers have closed it and everything was read, or when it was closed here. */
  readonly ended: Promise<void>;
  /** Reads what there is by now, and closes the descriptor. */
  close(): void;
}

export interface PipeReader {
  /** The descriptor is the reader's to close. `onBytes` is given bytes that are overwritten after the call. */
  follow(fd: number, onBytes: (bytes: Uint8Array) => void): FollowedPipe;
  /** Reads at once, and not only in the next round. */
  hurry(): void;
}

interface Open {
  onBytes(bytes: Uint8Array): void;
  end(): void;
}

export function createPipeReader(): PipeReader {
  const open = new Map<number, Open>();
  const buffer = new Uint8Array(65_536);
  let timer: ReturnType<typeof setTimeout> | undefined;

  function readRound(): void {
    timer = undefined;
    let read = 0;
    for (const fd of findReadable([...open.keys()])) {
      if (read < ROUND_BYTES) read += readSome(fd, PIPE_BYTES);
      // Those that were read come last in the next round.
      const found = open.get(fd);
      if (open.delete(fd) && found !== undefined) open.set(fd, found);
    }
    if (open.size > 0) wake(read >= buffer.length ? BUSY_MS : IDLE_MS);
  }

  /** Answers how much it was; ends the pipe where nothing will come any more. */
  function readSome(fd: number, most: number): number {
    const found = open.get(fd);
    let read = 0;
    while (found !== undefined && read < most && findReadable([fd]).length > 0) {
      const length = readSync(fd, buffer);
      if (length === 0) {
        end(fd);
        break;
      }
      found.onBytes(buffer.subarray(0, length));
      read += length;
    }
    return read;
  }

  function end(fd: number): void {
    const found = open.get(fd);
    if (!open.delete(fd)) return;
    closeSync(fd);
    found?.end();
  }

  function wake(afterMs: number): void {
    clearTimeout(timer);
    timer = setTimeout(readRound, afterMs);
  }

  return {
    follow(fd, onBytes) {
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      const own: Open = { onBytes, end: resolve };
      open.set(fd, own);
      if (timer === undefined) wake(BUSY_MS);
      return {
        ended,
        close() {
          // Where it has ended, the number may be that of another pipe by now.
          if (open.get(fd) !== own) return;
          readSome(fd, PIPE_BYTES);
          end(fd);
        },
      };
    },
    hurry: () => wake(0),
  };
}
