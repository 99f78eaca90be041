/** What a server uses, from /proc: the user and system time of it, its engines and their sessions; its memory. */
import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds by what used them. */
export type CpuTime = Map<string, number>;

/** Of `root`, of everything below it, and of what was below it and has ended. A tick is 10 ms on every Linux. */
export function readCpuTime(root: number): CpuTime {
  const used: CpuTime = new Map();
  const add = (label: string, ms: number) => used.set(label, (used.get(label) ?? 0) + ms);
  for (const pid of treeOf(root)) {
    try {
      add("ended processes", endedTicksOf(`/proc/${pid}/stat`) * 10);
      if (pid !== root) add(labelOf(pid), ticksOf(`/proc/${pid}/stat`) * 10);
      else
        for (const thread of readdirSync(`/proc/${pid}/task`))
          add(threadLabel(pid, thread), ticksOf(`/proc/${pid}/task/${thread}/stat`) * 10);
    } catch {
      // It has ended.
    }
  }
  return used;
}

/** Milliseconds for each of `count` things, the most first; those of no account together. */
export function describeCpuTime(before: CpuTime, after: CpuTime, count: number): string {
  const each = [...after].map(([label, ms]) => ({ label, ms: (ms - (before.get(label) ?? 0)) / count }));
  const notable = each.filter(({ ms }) => ms >= 0.1).sort((a, b) => b.ms - a.ms);
  const total = each.reduce((sum, { ms }) => sum + ms, 0);
  return `${total.toFixed(1)} ms: ${notable.map(({ label, ms }) => `${label} ${ms.toFixed(1)}`).join(", ")}`;
}

/** Milliseconds of everything together. */
export function totalCpuTime(used: CpuTime): number {
  return used.values().reduce((sum, ms) => sum + ms, 0);
}

/** Resident memory of one process. */
export function rssMb(pid: number): number {
  const [, pages = "0"] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return Math.round((Number(pages) * 4096) / 1024 ** 2);
}

function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(fieldsOf(`/proc/${name}/stat`)[1]));
    } catch {
      // It has ended.
    }
  }
  const isBelow = (pid: number): boolean => pid === root || (parents.has(pid) && isBelow(parents.get(pid) as number));
  return [...parents.keys()].filter(isBelow);
}

/** Those behind the name, which may have blanks and brackets: state, parent, … */
function fieldsOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function ticksOf(path: string): number {
  const fields = fieldsOf(path);
  return Number(fields[11]) + Number(fields[12]);
}

/** Of children that have ended and were waited for, and of theirs. */
function endedTicksOf(path: string): number {
  const fields = fieldsOf(path);
  return Number(fields[13]) + Number(fields[14]);
}

function labelOf(pid: number): string {
  const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  const session = /^postgres: \S+ (\S+) \S+\(\d+\)/.exec(command);
  if (session) return `postgres session of ${session[1] === "actcore" ? "actcore" : "temporal"}`;
  if (command.startsWith("postgres:")) return "postgres itself";
  return /([^/\s]+)(\s|$)/.exec(command)?.[1] ?? "other";
}

function threadLabel(pid: number, thread: string): string {
  const name = readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim();
  if (Number(thread) === pid) return "actcore main thread";
  if (name.startsWith("workflow") || name === "Worker") return "actcore workflow thread";
  if (name.startsWith("temporal") || name.startsWith("tokio")) return "actcore Temporal core";
  return "actcore JIT, GC, pools";
}
