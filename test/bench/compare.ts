/**
 * Two binaries in turns of one run, such as a release and what is to follow it: processor and runs per second, latencies, a
 * sync with nothing to do, the router. Each has its own directory and engines, and one at a time is under load, so that a
 * slow minute of the machine falls on both: the ratios count. docs/performance.md says what the lines are.
 *
 * usage: bun test/bench/compare.ts --old=PATH --new=PATH [--short] [--turns=3]
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createDirectory, findPorts, startServer } from "../support/server.ts";
import { startBaseline } from "./baseline.ts";
import { describeCpuTime, totalCpuTime } from "./cpu.ts";
import { median, print, quantile } from "./figures.ts";
import { type Activity, openLoad, type Rate } from "./load.ts";
import { startReceiverProcess } from "./receiver.ts";

const { values } = parseArgs({
  options: {
    old: { type: "string" },
    new: { type: "string" },
    short: { type: "boolean", default: false },
    turns: { type: "string", default: "3" },
  },
});
if (values.old === undefined || values.new === undefined) {
  console.error("usage: bun test/bench/compare.ts --old=PATH --new=PATH [--short] [--turns=3]");
  process.exit(2);
}
const RUNS = values.short ? 200 : 600;
const SECONDS = values.short ? 10 : 30;
const EVENTS_PER_SECOND = 20;
const DEFINITIONS = 500;

const receiver = await startReceiverProcess();
const sides = { old: await start(values.old), new: await start(values.new) };
const baseline = await startBaseline(sides.new.server, sides.new.load);
try {
  await baseline.measure(50);
  const turns: { old: Figures; new: Figures; empty: number }[] = [];
  for (let turn = 0; turn < Number(values.turns); turn++) {
    // Each goes first in turn.
    const order = turn % 2 === 0 ? (["old", "new"] as const) : (["new", "old"] as const);
    const figures: Partial<Record<"old" | "new", Figures>> = {};
    for (const name of order) figures[name] = await measure(sides[name]);
    turns.push({ ...(figures as Record<"old" | "new", Figures>), empty: await baseline.measure(RUNS) });
    console.error(`turn ${turn + 1}: ${JSON.stringify(turns.at(-1))}`);
  }

  const compare = (what: string, of: (figures: Figures) => number, wanted: string, digits = 1) => {
    const [before, now] = [median(turns.map((turn) => of(turn.old))), median(turns.map((turn) => of(turn.new)))];
    const ratio = median(turns.map((turn) => of(turn.new) / of(turn.old)));
    print(
      what,
      `old ${before.toFixed(digits)}, new ${now.toFixed(digits)}, ratio ${ratio.toFixed(2)}; wanted ${wanted}`,
    );
  };
  compare("log: processor per run, ms", ({ log }) => log.processorMs, "ratio at most 0.65");
  compare("log: runs/s", ({ log }) => log.perSecond, "ratio at least 1.35");
  compare("http: processor per run, ms", ({ http }) => http.processorMs, "ratio at most 0.75");
  compare("http: runs/s", ({ http }) => http.perSecond, "ratio at least 1.20");
  compare("started: p50, ms", ({ started }) => started.p50, "at most 10", 0);
  compare("started: p99, ms", ({ started }) => started.p99, "at most 60", 0);
  compare("closed: p50, ms", ({ closed }) => closed.p50, "at most 50", 0);
  compare("closed: p99, ms", ({ closed }) => closed.p99, "at most 130", 0);
  compare(`sync of ${DEFINITIONS}, ms`, ({ syncMs }) => syncMs, "no more than before", 0);
  compare("router: events/s", ({ router }) => router, "no less than before", 0);
  const ratios = turns.map((turn) => turn.new.log.perSecond / turn.empty);
  print(
    "ratio to empty workflows",
    `${median(ratios).toFixed(2)} of ${median(turns.map(({ empty }) => empty)).toFixed(1)}/s; wanted at least 0.50`,
  );
  for (const name of ["old", "new"] as const) print(`${name}: log`, turns.at(-1)?.[name].log.profile ?? "");
  for (const name of ["old", "new"] as const) print(`${name}: http`, turns.at(-1)?.[name].http.profile ?? "");
} finally {
  await baseline.stop();
  for (const { server, load } of Object.values(sides)) {
    await load.close();
    await server.destroy();
  }
  await receiver.stop();
}
process.exit(0);

interface Figures {
  log: RateFigures;
  http: RateFigures;
  started: { p50: number; p99: number };
  closed: { p50: number; p99: number };
  syncMs: number;
  router: number;
}

interface RateFigures {
  perSecond: number;
  processorMs: number;
  profile: string;
}

async function start(binary: string) {
  const definitionsDirs = createDirectory();
  writeFileSync(join(definitionsDirs, "schedules.yaml"), Array.from({ length: DEFINITIONS }, schedule).join("---\n"));
  const flags = { ...(await findPorts()), definitionsDirs, logLevel: "warn" };
  const server = await startServer({ binary: resolve(binary), flags });
  await server.ready(60_000);
  const load = await openLoad(server);
  const log = await load.define();
  const http = await load.define({ type: "http", timeout: "5s", params: { url: receiver.url } });
  await server.api("/admin/sync", { method: "POST", signal: AbortSignal.timeout(300_000) });
  for (const activity of [log, http]) await load.measureRuns(activity, 100);
  return { server, load, log, http };
}

/** One that is not due while the bench runs. */
function schedule(_: unknown, index: number): string {
  const trigger = `{trigger_type: cron, cron_expression: "${index % 60} 3 29 2 *", timezone: Europe/Berlin}`;
  return `name: s${index}\ntrigger_config: ${trigger}\ntask_templates: [{key: a, type: log, params: {message: hi}}]\n`;
}

async function measure({ server, load, log, http }: Awaited<ReturnType<typeof start>>): Promise<Figures> {
  const rateOf = async (activity: Activity) => describeRate(await load.measureRuns(activity, RUNS));
  const rates = { log: await rateOf(log), http: await rateOf(http) };
  const latency = await load.measureLatency(await load.define(), SECONDS * EVENTS_PER_SECOND, EVENTS_PER_SECOND);
  const quantiles = (values: readonly number[]) => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) });
  const syncsMs: number[] = [];
  while (syncsMs.length < 3) {
    const beganMs = performance.now();
    const { status, body } = await server.api("/admin/sync", { method: "POST", signal: AbortSignal.timeout(60_000) });
    if (status !== 200) throw new Error(JSON.stringify(body));
    syncsMs.push(performance.now() - beganMs);
  }
  return {
    ...rates,
    started: quantiles(latency.startedMs),
    closed: quantiles(latency.closedMs),
    syncMs: Math.min(...syncsMs),
    router: await load.measureRouter(RUNS),
  };
}

function describeRate({ perSecond, before, after }: Rate): RateFigures {
  const processorMs = (totalCpuTime(after) - totalCpuTime(before)) / RUNS;
  return { perSecond, processorMs, profile: describeCpuTime(before, after, RUNS) };
}
