/**
 * What the operating system says about processes: identity, environment, memory, open ports.
 *
 * A pid alone names nobody, it is reused. Identity here is pid plus start time (`startedAt`, an opaque text that is
 * equal only for the same process). On Linux all comes from /proc; elsewhere from `ps`, and what it cannot tell is
 * answered with nothing.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

const LINUX = process.platform === "linux";

export interface ProcessIdentity {
  readonly pid: number;
  readonly startedAt: string;
}

let bootId: string | undefined;

/** The start time of a live process; undefined when there is none, or only its zombie is left. */
export function startTimeOf(pid: number): string | undefined {
  if (!LINUX) {
    const text = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout?.trim();
    return text === "" ? undefined : text;
  }
  const fields = readStat(pid);
  if (fields === undefined || isZombie(fields)) return undefined;
  // Ticks since boot: the same ticks after a reboot are another process.
  bootId ??= (readText("/proc/sys/kernel/random/boot_id") ?? "").slice(0, 8);
  return `${bootId}/${fields[19]}`;
}

/** The identity of a process that lives now. */
export function identify(pid: number): ProcessIdentity {
  return { pid, startedAt: startTimeOf(pid) ?? "" };
}

export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startedAt;
}

/** Every process, zombies left out; empty where there is no /proc. */
export function listProcesses(): ProcessIdentity[] {
  return allPids().flatMap((pid) => {
    const startedAt = startTimeOf(pid);
    return startedAt === undefined ? [] : [{ pid, startedAt }];
  });
}

/** Whether the process was started with `variable=value`; false when its environment may not be read. */
export function hasEnvironment(pid: number, variable: string, value: string): boolean {
  return readText(`/proc/${pid}/environ`)?.split("\0").includes(`${variable}=${value}`) ?? false;
}

export function workingDirectoryOf(pid: number): string | undefined {
  return readLink(`/proc/${pid}/cwd`);
}

/** The file name of its executable, with what the kernel appends to a deleted one removed. */
export function executableNameOf(pid: number): string | undefined {
  const path = readLink(`/proc/${pid}/exe`);
  return path === undefined ? undefined : basename(path.replace(/ \(deleted\)$/, ""));
}

/** Memory of a process and all below it, in bytes: proportional set size (shared pages count once), or RSS. */
export function memoryOf(pid: number): number | undefined {
  if (!LINUX) {
    const kilobytes = Number(spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).stdout);
    return kilobytes > 0 ? kilobytes * 1024 : undefined;
  }
  const sizes = [pid, ...descendantsOf(pid)].map((each) => {
    const text = readText(`/proc/${each}/smaps_rollup`) ?? readText(`/proc/${each}/status`) ?? "";
    const kilobytes = /^(?:Pss|VmRSS):\s+(\d+) kB/m.exec(text)?.[1];
    return kilobytes === undefined ? 0 : Number(kilobytes) * 1024;
  });
  const sum = sizes.reduce((total, size) => total + size, 0);
  return sum === 0 ? undefined : sum;
}

/** Who listens on the port, as `name (pid n)`; undefined when it cannot be told. */
export function listenerOf(port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"]
      .flatMap((path) => (readText(path) ?? "").split("\n").slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[1]?.endsWith(`:${hex}`) && columns[3] === "0A")
      .map((columns) => `socket:[${columns[9]}]`),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of allPids()) {
    const open = ifReadable(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
    if (open.some((fd) => inodes.has(readLink(`/proc/${pid}/fd/${fd}`) ?? "")))
      return `${executableNameOf(pid) ?? "?"} (pid ${pid})`;
  }
  return undefined;
}

function descendantsOf(
  root: number,
  processes = allPids().map((pid) => ({ pid, parent: readStat(pid)?.[1] })),
): number[] {
  const children = processes.filter(({ parent }) => Number(parent) === root);
  return children.flatMap(({ pid }) => [pid, ...descendantsOf(pid, processes)]);
}

function allPids(): number[] {
  if (!LINUX) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The fields of /proc/<pid>/stat behind the name: state is 0, parent 1, start time 19. */
function readStat(pid: number): string[] | undefined {
  const text = readText(`/proc/${pid}/stat`);
  return text === undefined ? undefined : fieldsOf(text);
}

function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function isZombie([state]: readonly string[]): boolean {
  return state === "Z" || state === "X";
}

function readText(path: string): string | undefined {
  return ifReadable(() => readFileSync(path, "utf8"));
}

function readLink(path: string): string | undefined {
  return ifReadable(() => readlinkSync(path));
}

/** Undefined for what belongs to another user's process, or to one that has just ended. */
function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** By process group, the processes that live in it, without zombies. Undefined where there is no /proc. */
export function readGroups(): ReadonlyMap<number, { pid: number; name: string }[]> | undefined {
  if (!LINUX) return undefined;
  const groups = new Map<number, { pid: number; name: string }[]>();
  for (const pid of allPids()) {
    const text = readText(`/proc/${pid}/stat`);
    const fields = text === undefined ? [] : fieldsOf(text);
    if (text === undefined || isZombie(fields)) continue;
    const group = Number(fields[2]);
    const name = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
    groups.set(group, [...(groups.get(group) ?? []), { pid, name }]);
  }
  return groups;
}
