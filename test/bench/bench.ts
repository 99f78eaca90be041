/**
 * `make bench`: actcore against a bare Temporal TypeScript worker on the same engines, in one run; docs/performance.md
 * says how to read it. Figures of different runs or machines do not compare; ratios of one run do.
 *
 * usage: bun test/bench/bench.ts [--short]
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { bundleWorkflowCode, NativeConnection, Worker } from "@temporalio/worker";
import { connect, type NatsConnection } from "nats";
import { createLog } from "../../src/kernel/log.ts";
import { installRuntime } from "../../src/temporal/runtime.ts";
import { createDataDir, eventually, findFreePorts } from "../support/engines.ts";
import { describeCpuTime, readCpuTime } from "./cpu.ts";

const short = process.argv.includes("--short");
const RUNS = short ? 200 : 1000;
const LATENCY_EVENTS = short ? 100 : 600;
const EVENTS_PER_SECOND = 20;
const OTHER_DEFINITIONS = 500;
const MEMORY_RUNS = short ? 0 : 10_000;
const CONCURRENCY = 64;
const BASELINE_QUEUE = "bench-empty";

interface Bench {
  api: string;
  metrics: string;
  client: Client;
  nats: NatsConnection;
  temporal: string;
  pid: number;
}

const directory = createDataDir();
const bench = await start();
const activityId = await create("bench", "bench.event");
try {
  const worker = await startBaseline(bench.temporal);
  await measureBaseline(50);
  await measureRuns("warm", 50);

  // Turn by turn, so that a slow minute of the machine falls on both.
  const rates: { empty: number; run: number }[] = [];
  const profiles = { empty: "", run: "" };
  for (let turn = 0; turn < 3; turn++) {
    const [first, empty] = [readCpuTime(bench.pid), await measureBaseline(RUNS)];
    const [second, run] = [readCpuTime(bench.pid), await measureRuns(`rate-${turn}`, RUNS)];
    rates.push({ empty, run });
    profiles.empty = describeCpuTime(first, second, RUNS);
    profiles.run = describeCpuTime(second, readCpuTime(bench.pid), RUNS);
  }
  const ratios = rates.map(({ empty, run }) => run / empty).sort((a, b) => a - b);
  for (const { empty, run } of rates)
    print("runs/s", `empty workflow ${empty.toFixed(1)}, event to finished run ${run.toFixed(1)}`);
  print(
    "ratio",
    `${ratios[1]?.toFixed(2)} (of ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")}); wanted at least 0.35`,
  );

  print("processor per empty", profiles.empty);
  print("processor per run", profiles.run);

  const alone = await measureLatency("alone");
  print("publish → started", `p50 ${alone.p50} ms, p99 ${alone.p99} ms at ${EVENTS_PER_SECOND}/s; wanted 40 and 250`);
  for (let index = 0; index < OTHER_DEFINITIONS; index++) await create(`other-${index}`, `other.${index}`);
  const crowded = await measureLatency("crowded");
  print(
    `… with ${OTHER_DEFINITIONS} others`,
    `p50 ${crowded.p50} ms, p99 ${crowded.p99} ms; ratio of p50 ${(crowded.p50 / alone.p50).toFixed(2)}`,
  );

  print("memory", `serve ${rssMb(bench.pid)} MB`);
  if (MEMORY_RUNS > 0) {
    await measureRuns("memory", MEMORY_RUNS);
    print("memory", `serve ${rssMb(bench.pid)} MB after ${MEMORY_RUNS} more runs`);
  }
  worker.shutdown();
} finally {
  process.kill(bench.pid, "SIGTERM");
  await eventually("the server ends", () => !isAlive(bench.pid), 30_000);
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);

async function start(): Promise<Bench> {
  const ports = await findFreePorts();
  const port = (name: keyof typeof ports) => ports[name] ?? "";
  const apiPort = Number(port("temporalUiPort")) + 10;
  const flags = [
    `--data-dir=${join(directory, "data")}`,
    `--api-addr=127.0.0.1:${apiPort}`,
    `--prometheus-bind-addr=127.0.0.1:${apiPort + 1}`,
    `--postgres-port=${port("postgresPort")}`,
    `--nats-port=${port("natsPort")}`,
    `--nats-monitor-port=${port("natsMonitorPort")}`,
    `--temporal-port=${port("temporalPort")}`,
    `--temporal-ui-port=${port("temporalUiPort")}`,
    "--log-level=warn",
  ];
  const server = Bun.spawn([process.env.ACTCORE_TEST_BINARY ?? "dist/actcore", "serve", ...flags], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const api = `http://127.0.0.1:${apiPort}`;
  await eventually(
    "the server is ready",
    async () => (await fetch(`${api}/readyz`).catch(() => undefined))?.ok,
    60_000,
  );
  const temporal = `127.0.0.1:${port("temporalPort")}`;
  const client = new Client({ connection: await Connection.connect({ address: temporal }) });
  return {
    api,
    metrics: `http://127.0.0.1:${apiPort + 1}/metrics`,
    client,
    temporal,
    nats: await connect({ servers: `127.0.0.1:${port("natsPort")}` }),
    pid: server.pid,
  };
}

async function create(name: string, event_type: string): Promise<string> {
  const task_templates = [{ key: "log", type: "log", params: { message: "bench", level: "debug" } }];
  const response = await fetch(`${bench.api}/activity-definitions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, trigger_config: { trigger_type: "event", event_type }, task_templates }),
  });
  if (!response.ok) throw new Error(await response.text());
  return ((await response.json()) as { id: string }).id;
}

async function startBaseline(address: string): Promise<Worker> {
  installRuntime(createLog("error"), "127.0.0.1:0");
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: new URL("./empty-workflow.ts", import.meta.url).pathname,
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error },
  });
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue: BASELINE_QUEUE,
    workflowBundle,
    maxCachedWorkflows: 500,
  });
  void worker.run();
  return worker;
}

/** Empty workflows a second, from the first start to the last result. */
async function measureBaseline(count: number): Promise<number> {
  const startedMs = performance.now();
  const prefix = crypto.randomUUID();
  await concurrently(count, (index) =>
    bench.client.workflow.execute("emptyWorkflow", { workflowId: `${prefix}-${index}`, taskQueue: BASELINE_QUEUE }),
  );
  return (count * 1000) / (performance.now() - startedMs);
}

/** Finished runs a second, from the first publish to the last run closed. */
async function measureRuns(name: string, count: number): Promise<number> {
  const before = await succeeded();
  const startedMs = performance.now();
  await concurrently(count, (index) => publish(`${name}-${index}`, "bench.event"));
  await eventually(`${count} runs of ${name}`, async () => (await succeeded()) - before >= count, 15 * 60_000);
  return (count * 1000) / (performance.now() - startedMs);
}

/** Runs that the worker has closed well since it began. */
async function succeeded(): Promise<number> {
  const text = await (await fetch(bench.metrics)).text();
  return Number(/^actcore_runs_total\{status="succeeded"\} (\d+)/m.exec(text)?.[1] ?? 0);
}

/** Publishes at a steady rate; milliseconds from publish to the workflow's start, as Temporal has it. */
async function measureLatency(name: string): Promise<{ p50: number; p99: number }> {
  const before = await succeeded();
  const publishedMs: number[] = [];
  const intervalMs = 1000 / EVENTS_PER_SECOND;
  const beganMs = Date.now();
  for (let index = 0; index < LATENCY_EVENTS; index++) {
    await Bun.sleep(Math.max(0, beganMs + index * intervalMs - Date.now()));
    publishedMs[index] = Date.now();
    void publish(`${name}-${index}`, "bench.event");
  }
  const latencies: number[] = [];
  await concurrently(LATENCY_EVENTS, async (index) => {
    const handle = bench.client.workflow.getHandle(`activity-${activityId}:${name}-${index}`);
    const started = await eventually("the workflow is started", () =>
      handle.describe().then(
        ({ startTime }) => startTime,
        () => undefined,
      ),
    );
    latencies[index] = started.getTime() - (publishedMs[index] ?? 0);
  });
  await eventually("the runs end", async () => (await succeeded()) - before >= LATENCY_EVENTS, 60_000);
  latencies.sort((a, b) => a - b);
  const at = (quantile: number) => Math.round(latencies[Math.floor(latencies.length * quantile)] ?? 0);
  return { p50: at(0.5), p99: at(0.99) };
}

async function publish(event_id: string, type: string): Promise<void> {
  const envelope = { event_id, type, source: "bench", occurred_at: new Date().toISOString(), payload: { event_id } };
  await bench.nats.jetstream().publish(`activity.${type}`, JSON.stringify(envelope));
}

async function concurrently(count: number, body: (index: number) => Promise<unknown>): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (const index of indexes) await body(index);
    }),
  );
}

function rssMb(pid: number): number {
  const [, pages = "0"] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return Math.round((Number(pages) * 4096) / 1024 ** 2);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function print(what: string, figures: string): void {
  console.log(`${what.padEnd(24)} ${figures}`);
}
