/**
 * Pipes and files in memory, by their descriptors. Bun gives a child sockets where it is asked for pipes, and a socket cannot be
 * opened by its name: `echo x > /dev/stderr` and `cat /dev/stdin` would fail in every script.
 */
import { dlopen, ptr } from "bun:ffi";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RetryableError } from "../kernel/errors.ts";
import { once } from "../kernel/once.ts";

const LINUX = process.platform === "linux";
const O_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;

const libc = once(() =>
  dlopen(LINUX ? "libc.so.6" : "libSystem.B.dylib", {
    poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
    ...(LINUX
      ? {
          pipe2: { args: ["ptr", "i32"], returns: "i32" },
          memfd_create: { args: ["ptr", "u32"], returns: "i32" },
        }
      : { pipe: { args: ["ptr"], returns: "i32" } }),
  }),
);

export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Both ends are the caller's to close; no other child inherits them. @throws RetryableError `command_not_started` */
export function openPipe(): Pipe {
  const ends = new Int32Array(2);
  const { pipe2, pipe } = libc().symbols as Record<string, (...args: unknown[]) => number>;
  const failed = pipe2 === undefined ? pipe?.(ptr(ends)) : pipe2(ptr(ends), O_CLOEXEC);
  if (failed !== 0) throw noDescriptor();
  return { read: ends[0] as number, write: ends[1] as number };
}

const POLLIN = 1;

/** Those of the descriptors from which a read would answer at once, be it that there is nothing more. Does not wait. */
export function findReadable(fds: readonly number[]): number[] {
  // As poll(2) has it: a descriptor, what is asked of it (16 bits), and what is answered (16 bits).
  const asked = new Int32Array(fds.length * 2);
  fds.forEach((fd, at) => {
    asked[2 * at] = fd;
    asked[2 * at + 1] = POLLIN;
  });
  if (fds.length === 0 || libc().symbols.poll(ptr(asked), fds.length, 0) <= 0) return [];
  return fds.filter((_, at) => (asked[2 * at + 1] as number) >>> 16 !== 0);
}

/** A file without a name that has this text, to be read from its beginning. @throws as `openPipe` */
export function openText(text: string): number {
  const fd = LINUX ? openMemory() : openUnnamed();
  try {
    const bytes = Buffer.from(text);
    // At a position, so that whoever inherits the descriptor begins at the start.
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openMemory(): number {
  const { memfd_create } = libc().symbols as Record<string, (...args: unknown[]) => number>;
  const fd = memfd_create?.(ptr(Buffer.from("stdin\0")), MFD_CLOEXEC) ?? -1;
  if (fd < 0) throw noDescriptor();
  return fd;
}

function openUnnamed(): number {
  const directory = mkdtempSync(join(tmpdir(), "actcore-"));
  try {
    return openSync(join(directory, "stdin"), "wx+", 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function noDescriptor(): RetryableError {
  return new RetryableError("command_not_started", "no pipe could be opened for the command: too many open files?");
}
