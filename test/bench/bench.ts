/**
 * `make bench`: actcore against a bare Temporal TypeScript worker on the same engines, in one run; docs/performance.md
 * says how to read it. Figures of different runs or machines do not compare; ratios of one run do.
 *
 * usage: bun test/bench/bench.ts [--short]
 */
import { findPorts, startServer } from "../support/server.ts";
import { startBaseline } from "./baseline.ts";
import { describeCpuTime, readCpuTime, rssMb } from "./cpu.ts";
import { median, print, quantile } from "./figures.ts";
import { describeQuantiles, openLoad } from "./load.ts";

const short = process.argv.includes("--short");
const RUNS = short ? 200 : 1000;
const LATENCY_EVENTS = short ? 100 : 600;
const EVENTS_PER_SECOND = 20;
const OTHER_DEFINITIONS = 500;
const MEMORY_RUNS = short ? 0 : 10_000;

const server = await startServer({ flags: { ...(await findPorts()), logLevel: "warn" } });
try {
  await server.ready(60_000);
  const load = await openLoad(server);
  const baseline = await startBaseline(server, load);
  const activity = await load.define();
  await baseline.measure(50);
  await load.measureRuns(activity, 50);

  // Turn by turn, so that a slow minute of the machine falls on both.
  const ratios: number[] = [];
  const profiles = { empty: "", run: "" };
  for (let turn = 0; turn < 3; turn++) {
    const before = readCpuTime(server.pid);
    const empty = await baseline.measure(RUNS);
    const run = await load.measureRuns(activity, RUNS);
    ratios.push(run.perSecond / empty);
    print("runs/s", `empty workflow ${empty.toFixed(1)}, event to finished run ${run.perSecond.toFixed(1)}`);
    profiles.empty = describeCpuTime(before, run.before, RUNS);
    profiles.run = describeCpuTime(run.before, run.after, RUNS);
  }
  const each = ratios.map((ratio) => ratio.toFixed(2)).join(", ");
  print("ratio", `${median(ratios).toFixed(2)} (of ${each}); wanted at least 0.50`);
  print("processor per empty", profiles.empty);
  print("processor per run", profiles.run);

  const alone = await load.measureLatency(activity, LATENCY_EVENTS, EVENTS_PER_SECOND);
  print("publish → started", `${describeQuantiles(alone.startedMs)} at ${EVENTS_PER_SECOND}/s; wanted 10 and 60`);
  print("publish → closed", `${describeQuantiles(alone.closedMs)}; wanted 50 and 130`);
  for (let index = 0; index < OTHER_DEFINITIONS; index++) await load.define();
  const { startedMs } = await load.measureLatency(activity, LATENCY_EVENTS, EVENTS_PER_SECOND);
  const ratio = quantile(startedMs, 0.5) / quantile(alone.startedMs, 0.5);
  print(
    `… with ${OTHER_DEFINITIONS} others`,
    `${describeQuantiles(startedMs)}; ratio of p50 of started ${ratio.toFixed(2)}`,
  );

  print("memory", `serve ${rssMb(server.pid)} MB`);
  if (MEMORY_RUNS > 0) {
    await load.measureRuns(activity, MEMORY_RUNS);
    print("memory", `serve ${rssMb(server.pid)} MB after ${MEMORY_RUNS} more runs`);
  }
  await baseline.stop();
  await load.close();
} finally {
  await server.destroy();
}
process.exit(0);
