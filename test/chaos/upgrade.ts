/**
 * A data directory that an earlier release wrote goes on under this one: open runs (some held by their receiver, some
 * waiting for their next try), schedules of each kind, and events that no router has seen, so many of each. The earlier
 * release is killed in the midst. Afterwards every run has ended well under the Idempotency-Key that it began with, every
 * event has one run, and every due time a run or a reason.
 *
 * usage: bun test/chaos/upgrade.ts --old=BINARY [--new=dist/actcore] [--count=200] [--signal=SIGKILL]
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Client, Connection } from "@temporalio/client";
import type { DueTimeView } from "../../src/explain/due-time-views.ts";
import { concurrently } from "../bench/load.ts";
import { eventually } from "../support/engines.ts";
import { connectNats } from "../support/nats-client.ts";
import {
  besides,
  createDirectory,
  readEndpoints,
  removeDirectory,
  type Server,
  startServer,
} from "../support/server.ts";
import { define, envelope, finishedRuns, listRuns, listTasks } from "../support/shared-server.ts";

const MINUTE_MS = 60_000;
const { values } = parseArgs({
  options: {
    old: { type: "string" },
    new: { type: "string", default: "dist/actcore" },
    count: { type: "string", default: "200" },
    signal: { type: "string", default: "SIGKILL" },
  },
});
if (values.old === undefined) {
  console.log("skipped: name the binary of an earlier release, bun test/chaos/upgrade.ts --old=BINARY");
  process.exit(0);
}
const [oldBinary, newBinary, COUNT] = [resolve(values.old), resolve(values.new), Number(values.count)];
const signal = values.signal as NodeJS.Signals;

/** Keeps what came by the run that it was for; answers what the path says, and well once it is released. */
const requests: { path: string; run_id: string; key: string }[] = [];
const released = Promise.withResolvers<void>();
let isReleased = false;
const receiver = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const path = new URL(request.url).pathname;
    const { run } = (await request.json()) as { run: { run_id: string } };
    requests.push({ path, run_id: run.run_id, key: request.headers.get("idempotency-key") ?? "" });
    if (path === "/hold") await released.promise;
    return new Response("answered", { status: path === "/refuse" && !isReleased ? 503 : 200 });
  },
});
const http = (path: string, more: object = {}) => [
  { key: "http", type: "http", params: { url: `${receiver.url.origin}${path}` }, retry: { max_attempts: 20 }, ...more },
];

const dataDir = createDirectory();
let failures = 0;
let lastOnce = 0;
try {
  const engines = await startServer({ binary: oldBinary, dataDir, command: "engines" });
  const { flags } = engines;
  const worker = await startServer({ binary: oldBinary, dataDir, flags, roles: "api,worker" });
  const router = await startServer({ binary: oldBinary, dataDir, flags: besides(flags, 1), roles: "router" });
  await Promise.all([worker.ready(60_000), router.ready(60_000)]);

  // A worker does a hundred tasks at once: what waits for another try leaves room for what is held.
  const slowly = { retry: { max_attempts: 20, initial_interval: "20s" } };
  const open = await Promise.all([
    define(worker, { task_templates: http("/hold", { timeout: "10m" }) }),
    define(worker, { task_templates: http("/hold", { timeout: "5s", ...slowly }) }),
    define(worker, { task_templates: http("/refuse", { timeout: "5s", ...slowly }) }),
    define(worker, { task_templates: http("/refuse", slowly) }),
  ]);
  const waiting = await define(worker, { task_templates: http("/answer", { timeout: "5s" }) });
  const schedules = await createSchedules(worker);
  await publish(worker, open, COUNT);
  await eventually("every open run has begun", () => runsSeen().length >= COUNT, 120_000);
  const keysBefore = keysByRun();
  router.kill("SIGKILL");
  await router.exited;
  await publish(worker, [waiting], COUNT);
  const from = new Date(Date.now() - MINUTE_MS);
  for (const each of [worker, engines]) {
    each.kill(signal);
    await each.exited;
  }
  print("left by the old one", `${keysBefore.size} open runs, ${schedules.length} schedules, ${COUNT} events`);

  const server = await startServer({ binary: newBinary, dataDir, flags });
  await server.ready(120_000);
  isReleased = true;
  released.resolve();
  const ready = Date.now();
  const share = COUNT / open.length;
  const runs = (await Promise.all(open.map(({ id }) => finishedRuns(server, id, share, 300_000)))).flat();
  const eventRuns = await finishedRuns(server, waiting.id, COUNT, 300_000);
  const succeeded = (rows: typeof runs) => rows.filter(({ status }) => status === "succeeded").length;
  check("open runs that ended well", succeeded(runs), COUNT);
  check("runs of the events", succeeded(eventRuns), COUNT);
  check("… of different events", new Set(eventRuns.map(({ event_id }) => event_id)).size, COUNT);

  const keys = keysByRun();
  const all = [...runs, ...eventRuns];
  check("Idempotency-Keys of each run", Math.max(...all.map(({ run_id }) => keys.get(run_id)?.size ?? 0)), 1);
  check("Idempotency-Keys in all", new Set(requests.map(({ key }) => key)).size, 2 * COUNT);
  const kept = await keysOfLedger(server, runs);
  check(
    "keys that the ledger shows as sent",
    runs.filter(({ run_id }) => keysBefore.get(run_id)?.has(kept.get(run_id) ?? "")).length,
    COUNT,
  );

  const to = new Date(Math.max(Math.ceil(ready / MINUTE_MS) * MINUTE_MS + MINUTE_MS, lastOnce) + 1000);
  await Bun.sleep(Math.max(0, to.getTime() + 10_000 - Date.now()));
  await checkSchedules(server, schedules, from, to);
  server.kill("SIGTERM");
  await server.exited;
} catch (error) {
  failures++;
  console.error(error);
} finally {
  receiver.stop(true);
  await removeDirectory(dataDir);
}
console.log(failures === 0 ? "the data directory went on" : `${failures} not as they should be`);
process.exit(failures === 0 ? 0 : 1);

interface Schedule {
  id: string;
  kind: "every" | "disabled" | "paused" | "once" | "yearly";
}

async function createSchedules(server: Server): Promise<Schedule[]> {
  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  const { schedule } = new Client({ connection });
  const created: Schedule[] = [];
  await concurrently(COUNT, async (index) => {
    const [kind, trigger_config, more] = [
      ["every", { trigger_type: "cron", cron_expression: "* * * * *", misfire_policy: "catchup" }, {}],
      ["every", { trigger_type: "interval", every: "1m", offset: "30s", misfire_policy: "skip" }, {}],
      ["every", { trigger_type: "interval", every: "1m", misfire_policy: "compress" }, {}],
      ["disabled", { trigger_type: "cron", cron_expression: "* * * * *" }, { enabled: false }],
      ["paused", { trigger_type: "interval", every: "1m" }, {}],
      ["once", { trigger_type: "scheduled", run_at: soon() }, {}],
      ["yearly", { trigger_type: "cron", cron_expression: "0 0 1 1 *", timezone: "Europe/Berlin" }, {}],
      ["yearly", { trigger_type: "cron", cron_expression: "30 2 29 3 *", timezone: "Europe/Berlin" }, {}],
    ][index % 8] as [Schedule["kind"], object, object];
    const { id } = await define(server, { trigger_config, ...more });
    created.push({ id, kind });
    if (kind !== "paused") return;
    const handle = schedule.getHandle(`activity-schedule-${id}`);
    const pause = () => handle.pause("by somebody").then(() => true);
    await eventually("the schedule is paused", () => pause().catch(() => false), 60_000);
  });
  await connection.close();
  return created;
}

/** While the earlier release is gone, or after. */
function soon(): string {
  lastOnce = Math.ceil(Date.now() / 1000 + 120) * 1000;
  return new Date(lastOnce).toISOString().replace(".000", "");
}

/** `count` events, of each activity the same number. */
async function publish(server: Server, activities: readonly { type: string }[], count: number): Promise<void> {
  const nats = await connectNats(server);
  const jetstream = nats.jetstream();
  await concurrently(count, async (index) => {
    const type = activities[index % activities.length]?.type ?? "";
    await jetstream.publish(`activity.${type}`, JSON.stringify(envelope(type)));
  });
  await nats.close();
}

async function checkSchedules(server: Server, schedules: readonly Schedule[], from: Date, to: Date): Promise<void> {
  const query = `from=${from.toISOString()}&to=${to.toISOString()}&limit=500`;
  const settled = async ({ id, kind }: Schedule) => {
    const read = async () =>
      (await server.api(`/activity-definitions/${id}/occurrences?${query}`)).body as DueTimeView[];
    const isOver = ({ outcome, run_status }: DueTimeView) => outcome !== "pending" && run_status !== "running";
    await eventually("each due time has its outcome", async () => (await read()).every(isOver), 180_000);
    return { id, kind, due: await read(), runs: await listRuns(server, id) };
  };
  const all: Awaited<ReturnType<typeof settled>>[] = [];
  await concurrently(schedules.length, async (index) => all.push(await settled(schedules[index] as Schedule)));
  for (const [kind, of] of Map.groupBy(all, ({ kind }) => kind)) {
    const outcomes = of.flatMap(({ due }) =>
      due.map(({ outcome, reason }) => [outcome, reason].filter(Boolean).join(" ")),
    );
    const counts = [...Map.groupBy(outcomes, (outcome) => outcome)].map(
      ([outcome, each]) => `${each.length} ${outcome}`,
    );
    print(`${of.length} ${kind}`, counts.join(", ") || "no due time");
    const ran = of.filter(({ runs }) => runs.some(({ status }) => status === "succeeded")).length;
    check("… of which ran", ran, kind === "every" || kind === "once" ? of.length : 0);
    const doubled = of.filter(({ runs }) => kind === "once" && runs.length !== 1);
    check("… of which ran twice", doubled.length, 0);
    const ids = of.flatMap(({ due }) =>
      due.flatMap(({ outcome, run_id }) => (outcome === "run" && run_id ? [run_id] : [])),
    );
    check("… due times that share a run", ids.length - new Set(ids).size, 0);
  }
}

function runsSeen(): string[] {
  return [...new Set(requests.map(({ run_id }) => run_id))];
}

function keysByRun(): Map<string, Set<string>> {
  const byRun = Map.groupBy(requests, ({ run_id }) => run_id);
  return new Map([...byRun].map(([run, each]) => [run, new Set(each.map(({ key }) => key))]));
}

async function keysOfLedger(server: Server, runs: readonly { run_id: string }[]): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  await concurrently(runs.length, async (index) => {
    const run_id = runs[index]?.run_id ?? "";
    const [task] = await listTasks(server, run_id);
    // A release that shows none sends the id of the task.
    keys.set(run_id, task?.idempotency_key ?? task?.task_id ?? "");
  });
  return keys;
}

function check(what: string, is: number, wanted: number): void {
  if (is !== wanted) failures++;
  print(what, is === wanted ? `${is}` : `${is}, wanted ${wanted}`);
}

function print(what: string, figures: string): void {
  console.log(`${what.padEnd(36)} ${figures}`);
}
