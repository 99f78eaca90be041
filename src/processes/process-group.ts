/**
 * A command in a process group and a session of its own: begun, followed and ended.
 *
 * It is begun through a gate, a shell that waits for a word before it becomes the command, so that nothing runs that the guard does
 * not know. When its leader has exited, what is left of its group is ended too. What made a session of its own is
 * not in the group any more: it is found by its environment, and named.
 */
import { closeSync, writeSync } from "node:fs";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import { aborted, inTime, sleep } from "../kernel/wait.ts";
import { openPipe, openText } from "./descriptors.ts";
import type { Guard } from "./guard.ts";
import { createPipeReader } from "./pipe-reader.ts";
import type { NamedProcess, ProcessSearch } from "./process-search.ts";
import { readGroups } from "./process-table.ts";

export interface Start {
  /** The file to execute, by a path that has a slash, and its arguments. */
  argv: readonly string[];
  cwd: string;
  /** All that it gets. */
  env: Readonly<Record<string, string>>;
  /** What it reads; nothing when undefined. */
  stdin: string | undefined;
}

export interface Follow {
  /** Aborts when the command is to end. */
  signal: AbortSignal;
  /** How long its group then has after SIGTERM, in milliseconds. Also what is left of it when its leader has exited. */
  graceMs: () => number;
  /** Given what it writes to stdout and stderr, in order of arrival. The bytes are reused after the call. */
  onOutput(bytes: Uint8Array): void;
  /** By what its processes are found that left the group. */
  marker: string;
}

export interface GroupEnd {
  pid: number;
  exit: { code: number } | { signal: NodeJS.Signals };
  /** Whether it was ended because `signal` aborted. */
  cut: boolean;
  /** Whether SIGKILL was needed. */
  killed: boolean;
  /** Members of the group that went on when the leader had exited, and were ended. */
  ended: NamedProcess[];
  /** What lives on: in a session of its own, or because the kernel does not let it end. */
  left: NamedProcess[];
}

export interface Processes {
  /**
   * Runs a command to its end.
   * @throws TerminalError `command_too_large`; RetryableError `command_not_started`, where the system has no room for a process
   */
  run(start: Start, follow: Follow): Promise<GroupEnd>;
  close(): void;
}

/** What a shell calls itself in the message that the command cannot be executed. */
export const GATE = "actcore-command";
const GATE_SCRIPT = 'read -r go <&3 || exit; exec "$@" 3<&-';

/** How long processes of the group may take to end by themselves after their leader. */
const LINGER_MS = 500;
/** How long the system may take to end what got SIGKILL. */
const KILLED_WITHIN_MS = 3_000;
/** The table of processes is read at most this often, for all groups together: it takes some 10 ms where there are a thousand. */
const READ_AGAIN_MS = 100;
/** How long the output is read on when nobody of the group is left: somebody else may hold it open for ever. */
const LATE_OUTPUT_MS = 500;

export function createProcesses({ guard, search }: { guard: Guard; search: ProcessSearch }): Processes {
  const pipes = createPipeReader();
  const groups = createGroups();

  async function run(start: Start, { signal, graceMs, onOutput, marker }: Follow): Promise<GroupEnd> {
    const { leader, output } = startLeader(start, guard);
    const group = leader.pid;
    const at = performance.now();
    const reading = pipes.follow(output, onOutput);
    try {
      await Promise.race([leader.exited, aborted(signal)]);
      const cut = leader.exitCode === null && leader.signalCode === null;
      let killed = cut && (await groups.end(group, graceMs()));
      const after = (await groups.isGone(group, LINGER_MS)) ? [] : groups.membersOf(group);
      killed = (after.length > 0 && (await groups.end(group, graceMs()))) || killed;
      const stuck = groups.membersOf(group);
      if (stuck.length === 0) {
        guard.remove(group);
        await leader.exited;
      }
      const found = new Map(
        [...stuck, ...(await search.find(marker, { pid: group, at }))].map((each) => [each.pid, each]),
      );
      const left = [...found.values()];
      pipes.hurry();
      await inTime(reading.ended, LATE_OUTPUT_MS, () => new Error("somebody else holds it open")).catch(() => {});
      return { pid: group, exit: exitOf(leader), cut, killed, ended: cut ? [] : after, left };
    } finally {
      reading.close();
    }
  }

  return { run, close: guard.close };
}

type Leader = Bun.Subprocess;

/** Its output is the caller's to close. */
function startLeader({ argv, cwd, env, stdin }: Start, guard: Guard): { leader: Leader; output: number } {
  const open: number[] = [];
  const hold = (fd: number) => {
    open.push(fd);
    return fd;
  };
  let output: number | undefined;
  try {
    const input = stdin === undefined ? "ignore" : hold(openText(stdin));
    const [written, gate] = [openPipe(), openPipe()];
    output = written.read;
    [written.write, gate.read, gate.write].forEach(hold);
    const leader = Bun.spawn(["/bin/sh", "-c", GATE_SCRIPT, GATE, ...argv], {
      stdio: [input, written.write, written.write, gate.read],
      cwd,
      env,
      detached: true,
    });
    guard.add(leader.pid);
    writeSync(gate.write, "go\n");
    return { leader, output };
  } catch (error) {
    if (output !== undefined) closeSync(output);
    throw notStarted(error);
  } finally {
    open.forEach(closeSync);
  }
}

function notStarted(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "E2BIG")
    return new TerminalError("command_too_large", "the arguments and the environment are too long for the system", {
      hint: "Give the command what is large by stdin",
      cause: error,
    });
  if (typeof code !== "string" || error instanceof RetryableError) return error;
  return new RetryableError("command_not_started", "the system started no process for the command", { cause: error });
}

/** The groups of processes, as this host's table of processes has them. */
function createGroups() {
  let groups: ReadonlyMap<number, NamedProcess[]> | undefined;
  let readAt = 0;

  /** None where only zombies are left. What was read before `since` may be older than the group. */
  function membersOf(group: number, since: number): NamedProcess[] {
    if (!signalGroup(group, 0)) return [];
    if (readAt < Math.max(since, performance.now() - READ_AGAIN_MS)) {
      groups = readGroups();
      readAt = performance.now();
    }
    // Where the system does not tell who they are, the group is all that is known.
    return groups === undefined ? [{ pid: group, name: "?" }] : (groups.get(group) ?? []);
  }

  async function isGone(group: number, withinMs: number): Promise<boolean> {
    const since = performance.now();
    for (let waitMs = 5; membersOf(group, since).length > 0; waitMs = Math.min(waitMs * 2, 200)) {
      const leftMs = since + withinMs - performance.now();
      if (leftMs <= 0) return false;
      await sleep(Math.min(waitMs, leftMs));
    }
    return true;
  }

  return {
    membersOf: (group: number) => membersOf(group, performance.now()),
    isGone,

    /** SIGTERM, then SIGKILL for what is left after `graceMs`. Answers whether that was needed; some may live on in the kernel. */
    async end(group: number, graceMs: number): Promise<boolean> {
      signalGroup(group, "SIGTERM");
      signalGroup(group, "SIGCONT"); // one that was stopped would not hear of it
      if (await isGone(group, graceMs)) return false;
      signalGroup(group, "SIGKILL");
      await isGone(group, KILLED_WITHIN_MS);
      return true;
    },
  };
}

/** Whether there is such a group. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function exitOf({ exitCode, signalCode }: Leader): GroupEnd["exit"] {
  return signalCode === null ? { code: exitCode ?? 0 } : { signal: signalCode as NodeJS.Signals };
}
