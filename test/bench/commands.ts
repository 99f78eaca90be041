/**
 * What a command costs beside an http task that is an activity of its own too, and what fifty at once do to the rest: memory, and how
 * late schedules are meanwhile. Part of `make bench`; docs/performance.md says how to read it.
 *
 * usage: bun test/bench/commands.ts [runs, 400]
 */
import { readFileSync } from "node:fs";
import type { DueTimeView } from "../../src/explain/due-time-views.ts";
import { listProcesses, memoryOf } from "../../src/processes/process-table.ts";
import { eventually } from "../support/engines.ts";
import { startServer } from "../support/server.ts";
import { describeCpuTime, rssMb } from "./cpu.ts";
import { print, quantile } from "./figures.ts";
import { type Activity, openLoad } from "./load.ts";
import { startReceiverProcess } from "./receiver.ts";

const [runs = 400] = process.argv.slice(2).map(Number);
const SCHEDULES = 10;
const AT_ONCE = 50;
const WATCHED_MS = 30_000;

const server = await startServer({ env: { ACTCORE_COMMANDS: "all" } });
const receiver = await startReceiverProcess();
try {
  await server.ready(60_000);
  const load = await openLoad(server);
  const http = await load.define({ type: "http", params: { url: receiver.url } });
  const command = await load.define({ type: "command", params: { argv: ["/bin/true"] } });
  for (const activity of [http, command]) await load.measureRuns(activity, 50);
  for (const [name, activity] of Object.entries({ http, command })) {
    const childrenMs = readChildrenMs();
    const rate = await load.measureRuns(activity, runs);
    const own = ((readChildrenMs() - childrenMs) / runs).toFixed(1);
    print(`a run with one ${name}`, `${rate.perSecond.toFixed(0)}/s; processes of its own ${own} ms`);
    print("processor per run", describeCpuTime(rate.before, rate.after, runs));
  }

  const schedules = await Promise.all(Array.from({ length: SCHEDULES }, defineSchedule));
  await Bun.sleep(5_000);
  await watch("no command", schedules);
  const line = "while :; do echo $ACTCORE_TASK_ID $(date); sleep 0.1; done";
  for (const [what, shell] of [
    [`${AT_ONCE} that write lines`, line],
    [`${AT_ONCE} that write what they can`, "nice yes"],
  ] as const) {
    const chatty = await load.define({ type: "command", timeout: "120s", params: { shell, kill_after: 1 } });
    const ids = await begin(chatty);
    await watch(what, schedules);
    await Promise.all(ids.map((id) => server.api(`/runs/${id}/cancel`, { json: {} })));
    await eventually("all are gone", async () => readCommands().length === 0, 20_000);
  }
  await load.close();
} finally {
  await receiver.stop();
  await server.destroy();
}
process.exit(0);

/** Processor time of the children of the server that have ended, milliseconds. */
function readChildrenMs(): number {
  const fields = readFileSync(`/proc/${server.pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

/** Leaders of the commands, by who their parent is. */
function readCommands(): number[] {
  return listProcesses().flatMap(({ pid }) => {
    const parent = readFileOrNothing(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, "")
      .split(" ")[1];
    const isCommand = readFileOrNothing(`/proc/${pid}/environ`).includes("ACTCORE_TASK_ID=");
    return isCommand && Number(parent) === server.pid ? [pid] : [];
  });
}

function readFileOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function defineSchedule(): Promise<string> {
  const trigger_config = { trigger_type: "interval", every: "2s" };
  const task_templates = [{ key: "log", type: "log", params: { message: "due", level: "debug" } }];
  const json = { name: crypto.randomUUID(), trigger_config, task_templates };
  return (await server.api("/activity-definitions", { json })).body.id;
}

async function begin({ id }: Activity): Promise<string[]> {
  const begun = Array.from({ length: AT_ONCE }, () => server.api(`/activity-definitions/${id}/trigger`, { json: {} }));
  const ids = (await Promise.all(begun)).map(({ body }) => body.run_id as string);
  await eventually("all run", async () => readCommands().length >= AT_ONCE, 30_000);
  return ids;
}

async function watch(what: string, schedules: readonly string[]): Promise<void> {
  const from = new Date();
  await Bun.sleep(WATCHED_MS);
  const to = new Date();
  await Bun.sleep(2_000);
  const query = `from=${from.toISOString()}&to=${to.toISOString()}&limit=500`;
  const read = async (id: string) => (await server.api(`/activity-definitions/${id}/occurrences?${query}`)).body;
  const views: DueTimeView[] = (await Promise.all(schedules.map(read))).flat();
  const delays = views.flatMap(({ delay_ms }) => delay_ms ?? []);
  const commands = readCommands().map((pid) => memoryOf(pid) ?? 0);
  const memory = Math.round(commands.reduce((sum, each) => sum + each, 0) / 1024 ** 2);
  print(what, `schedules late p50 ${quantile(delays, 0.5)} ms, p99 ${quantile(delays, 0.99)} ms, of ${views.length}`);
  print("memory", `serve ${rssMb(server.pid)} MB, ${commands.length} commands ${memory} MB`);
}
