/**
 * Events as they come: a burst beside the steady rate, and the work that Inngest 1.43 was measured with on the same machine
 * (docs/performance.md): one step, two steps one after the other, a burst of 1,000, 20 a second, and a kill in the midst.
 *
 * usage: bun test/bench/events.ts [--short] [--binary=PATH]
 */
import { parseArgs } from "node:util";
import { eventually } from "../support/engines.ts";
import { createDirectory, findPorts, removeDirectory, startServer } from "../support/server.ts";
import { finishedRuns } from "../support/shared-server.ts";
import { rssMb } from "./cpu.ts";
import { median, print } from "./figures.ts";
import { type Activity, concurrently, describeQuantiles, type Load, openLoad } from "./load.ts";
import { startReceiverProcess } from "./receiver.ts";

const { values } = parseArgs({ options: { short: { type: "boolean", default: false }, binary: { type: "string" } } });
const BURST = values.short ? 2_000 : 10_000;
const STEADY = values.short ? 500 : 1_500;
const TURNS = values.short ? 1 : 3;
const SECONDS = values.short ? 10 : 30;
const EVENTS_PER_SECOND = 20;
const ACCEPTED = 300;

const receiver = await startReceiverProcess();
const dataDir = createDirectory();
const flags = { ...(await findPorts()), logLevel: "warn" };
const start = () => startServer({ dataDir, flags, ...(values.binary !== undefined && { binary: values.binary }) });
let server = await start();
try {
  await server.ready(60_000);
  let load = await openLoad(server);
  const log = await load.define();
  const step = { type: "http", timeout: "5s", params: { url: receiver.url } };
  const one = await load.define(step);
  const two = await load.define(step, { ...step, key: "second", depends_on: ["task"] });
  for (const activity of [log, one, two]) await load.measureRuns(activity, 100);

  await measureBurst(load, log);
  for (const [what, activity] of [
    ["one step", one],
    ["two steps", two],
  ] as const) {
    const rates: number[] = [];
    for (let turn = 0; turn < TURNS; turn++) rates.push((await load.measureRuns(activity, 1_000)).perSecond);
    print(
      `${what}, 1,000 at once`,
      `${median(rates).toFixed(1)} runs/s (of ${rates.map((r) => r.toFixed(1)).join(", ")})`,
    );
  }
  const { closedMs } = await load.measureLatency(two, SECONDS * EVENTS_PER_SECOND, EVENTS_PER_SECOND);
  print("two steps, to the last", `${describeQuantiles(closedMs)} at ${EVENTS_PER_SECOND}/s`);

  const killed = await load.define(step, { ...step, key: "second", depends_on: ["task"] });
  await concurrently(ACCEPTED, async () => {
    const json = {
      event_id: crypto.randomUUID(),
      type: killed.type,
      source: "bench",
      occurred_at: new Date().toISOString(),
    };
    const { status } = await server.api("/events", { json });
    if (status !== 202) throw new Error(`an event was answered ${status}`);
  });
  await eventually("the first runs are over", async () => (await finishedCount(killed)) > 0, 30_000);
  await load.close();
  server.kill("SIGKILL");
  await server.exited;
  const before = Date.now();
  server = await start();
  await server.ready(60_000);
  const runs = await finishedRuns(server, killed.id, ACCEPTED, 120_000);
  const succeeded = runs.filter(({ status }) => status === "succeeded").length;
  const atMs = Math.max(...runs.map(({ finished_at }) => Date.parse(finished_at ?? "")));
  print(
    `killed amid ${ACCEPTED} accepted`,
    `${ACCEPTED - succeeded} lost, all over ${atMs - before} ms after the next start`,
  );
  load = await openLoad(server);
  await load.close();
} finally {
  await server.destroy();
  await removeDirectory(dataDir);
  await receiver.stop();
}
process.exit(0);

async function finishedCount({ id }: Activity): Promise<number> {
  return (await server.api(`/runs?activity_id=${id}&status=succeeded&limit=5`)).body.length;
}

/** Runs a second of events that come as fast as runs finish, and of all at once; the memory of `serve` meanwhile. */
async function measureBurst(load: Load, activity: Activity): Promise<void> {
  const steady = await load.measureSteadyRuns(activity, STEADY);
  const beforeMb = rssMb(server.pid);
  let mostMb = 0;
  const watching = setInterval(() => {
    mostMb = Math.max(mostMb, rssMb(server.pid));
  }, 250);
  const { perSecond } = await load.measureRuns(activity, BURST);
  clearInterval(watching);
  const again = await load.measureSteadyRuns(activity, STEADY);
  const rate = (steady + again) / 2;
  print("steady", `${steady.toFixed(1)} runs/s before, ${again.toFixed(1)} after`);
  print(
    `${BURST} events at once`,
    `${perSecond.toFixed(1)} runs/s, ratio ${(perSecond / rate).toFixed(2)}; wanted at least 0.90. Memory of serve: ` +
      `${beforeMb} MB before, at most ${mostMb}, ${rssMb(server.pid)} after`,
  );
}
