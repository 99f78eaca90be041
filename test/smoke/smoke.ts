/**
 * The operator's check that a sync changes schedules without a restart: against any running actcore, with definitions of
 * its own, which it removes again whatever happens. `make smoke`, or `bun test/smoke/smoke.ts`:
 *
 *   ACTCORE_URL                 http://127.0.0.1:8010
 *   ACTCORE_DEFINITIONS_DIR     a directory that the server reads and that this user may write
 *   ACTCORE_API_KEY             with the scope admin, where the server asks for keys
 *   ACTCORE_METRICS_URL         of further processes, separated by ',': workers that are not the API's process
 *   ACTCORE_SMOKE_WAIT_SECONDS  how long to wait for a run (30)
 *
 * Ends with 0 when all held, 1 when something did not, 2 with the reason in one line when it could not begin.
 */
import type { Definition } from "../../src/definition/schema.ts";
import type { SyncReport } from "../../src/sync/report.ts";
import { createEvidence, type Evidence } from "./evidence.ts";
import {
  type Before,
  checkIsRead,
  checkServer,
  describeCounts,
  NotMet,
  readSettings,
  type Settings,
} from "./preconditions.ts";
import { describeProcess, readProcesses } from "./processes.ts";
import { createRemoteServer, type RemoteServer } from "./server.ts";
import { createSmokeTree, findOthers, type SmokeTree } from "./tree.ts";

const CLEAN_UP_WITHIN_MS = 60_000;
const HOUR_MS = 3_600_000;

interface Smoke {
  settings: Settings;
  server: RemoteServer;
  tree: SmokeTree;
  evidence: Evidence;
  before: Before;
  signal: AbortSignal;
}

async function main(env: Record<string, string | undefined>, interrupt: AbortSignal): Promise<number> {
  const evidence = createEvidence((line) => console.log(line));
  const settings = readSettings(env);
  const server = createRemoteServer(settings.url, settings.key, interrupt);
  const tree = createSmokeTree(settings.directory, new Date());
  evidence.step(`Before: ${settings.url}, ${tree.directory}`);
  for (const other of findOthers(settings.directory))
    evidence.say(`${other} is another smoke's: when none is at it, remove it, sync, and DELETE what it retired`);
  const before = await checkServer(server, settings, { evidence, signal: interrupt });
  const smoke: Smoke = { settings, server, tree, evidence, before, signal: interrupt };
  try {
    tree.write("hourly");
    await checkIsRead(server, tree, evidence);
    await run(smoke);
  } catch (error) {
    if (error instanceof NotMet) throw error;
    evidence.fail(interrupt.aborted ? "interrupted" : (error as Error).message);
  } finally {
    await cleanUp(smoke);
  }
  console.log(`\n${evidence.summary()}`);
  return evidence.hasFailed() ? 1 : 0;
}

async function run(smoke: Smoke): Promise<void> {
  const { evidence, tree, server, settings, before, signal } = smoke;
  const paused = (report: SyncReport) => report.schedules.paused - before.quiet.schedules.paused;

  evidence.step("Files become definitions and schedules");
  const first = await sync(smoke);
  check(smoke, "3 definitions created", first.definitions, { created: 3, updated: 0, retired: 0 });
  check(smoke, "2 schedules upserted, none of them paused", first.schedules, { upserted: 2, orphans_deleted: 0 });
  const made = await server.listDefinitions(tree.prefix);
  const find = (which: Parameters<SmokeTree["name"]>[0], among = made): Definition => {
    const found = among.find(({ name }) => name === tree.name(which));
    if (found === undefined) throw new Error(`GET /activity-definitions has no ${tree.name(which)}`);
    return found;
  };
  await checkSchedule(smoke, find("hourly"), "active", HOUR_MS);
  await checkSchedule(smoke, find("flipped"), "active", HOUR_MS);
  await checkFires(smoke, find("event"));
  const processes = await readProcesses({ api: settings.url, metrics: settings.metrics }, signal);
  for (const seen of processes) evidence.say(`GET ${describeProcess(seen)}`);

  evidence.step(`hourly becomes daily (${tree.crons.hourly} -> ${tree.crons.daily}), and another one is disabled`);
  tree.write("daily");
  const renamed = await sync(smoke);
  check(smoke, "1 created, 1 updated, 1 retired", renamed.definitions, { created: 1, updated: 1, retired: 1 });
  check(smoke, "3 schedules upserted", renamed.schedules, { upserted: 3, orphans_deleted: 0 });
  evidence.check("2 more of them paused", paused(renamed) === 2, `${paused(renamed)}`);
  const now = await server.listDefinitions(tree.prefix);
  await checkSchedule(smoke, find("daily", now), "active", 24 * HOUR_MS);
  await checkSchedule(smoke, find("hourly", now), "paused");
  await checkSchedule(smoke, find("flipped", now), "paused");
  const { enabled, retired_at } = find("hourly", now);
  evidence.check("the old one is retired", !enabled && retired_at !== null, JSON.stringify({ enabled, retired_at }));

  evidence.step("Nothing was restarted, and events still run");
  const after = await readProcesses({ api: settings.url, metrics: settings.metrics }, signal);
  for (const [index, seen] of after.entries()) {
    const same = Bun.deepEquals(seen, processes[index]) && Bun.deepEquals(seen, before.processes[index]);
    evidence.check("the same process since the same time", same, describeProcess(seen));
  }
  if (!after.some(({ roles }) => roles.includes("worker")))
    evidence.notChecked("the worker's process", "it is another one: name its metrics with ACTCORE_METRICS_URL");
  await checkFires(smoke, find("event", now));

  evidence.step("Once more: nothing to do");
  const repeated = await sync(smoke, false);
  check(smoke, "no definition changed", repeated.definitions, {
    created: 0,
    updated: 0,
    retired: 0,
    unchanged: before.quiet.definitions.unchanged + 3,
  });
  check(smoke, "no schedule touched", repeated.schedules, { upserted: 0, orphans_deleted: 0 });
}

/** Syncs what was just written; where the server's own interval was quicker, that sync's answer counts. */
async function sync({ server, tree, evidence, before }: Smoke, changes = true): Promise<SyncReport> {
  const isOurs = ({ name }: SyncReport["changes"][number]) => name.startsWith(tree.prefix);
  const { status, body } = await server.sync();
  evidence.say(`POST /admin/sync -> ${status} in ${body.duration_ms} ms: ${describeCounts(body)}`);
  for (const { action, name, fields } of body.changes.filter(isOurs))
    evidence.say(`       ${action} ${name}${action === "update" ? `: ${JSON.stringify(fields)}` : ""}`);
  const others = body.changes.filter((change) => !isOurs(change)).map(({ action, name }) => `${action} ${name}`);
  evidence.check("only definitions of its own changed", others.length === 0, others.join(", ") || "yes");
  const known = new Set(before.quiet.errors.map((error) => JSON.stringify(error)));
  const fresh = body.errors.filter((error) => !known.has(JSON.stringify(error)));
  evidence.check("no error of its own", fresh.length === 0, JSON.stringify(fresh));
  if (!changes || body.changes.some(isOurs)) return body;
  for (const { sync_id, actor } of await server.listSyncs()) {
    const report = await server.readSync(sync_id);
    if (!report.changes.some(isOurs)) continue;
    evidence.say(`a sync by ${actor} was quicker: GET /admin/syncs/${sync_id} -> ${describeCounts(report)}`);
    return report;
  }
  return body;
}

function check<T extends object>({ evidence }: Smoke, what: string, seen: T, expected: Partial<T>): void {
  const holds = Object.entries(expected).every(([key, value]) => seen[key as keyof T] === value);
  evidence.check(what, holds, JSON.stringify(seen));
}

/** What the engine has of it, and how far its next due times are apart. */
async function checkSchedule(
  { server, evidence }: Smoke,
  { id, name }: Definition,
  expected: "active" | "paused",
  everyMs?: number,
): Promise<void> {
  const { state, next, note } = await server.readSchedule(id);
  const [a = "", b = ""] = next;
  const isRight = state === expected && (everyMs === undefined || Date.parse(b) - Date.parse(a) === everyMs);
  const seen = state === "paused" ? `paused${note ? ` (${note})` : ""}` : `${state}, next ${a} and ${b}`;
  evidence.check(`${name} is ${expected} in Temporal`, isRight, seen);
}

/** An event of its type ends in a run that succeeded. */
async function checkFires(
  { server, tree, evidence, settings, signal }: Smoke,
  { id, name }: Definition,
): Promise<void> {
  const event_id = `${tree.prefix}${crypto.randomUUID()}`;
  const occurred_at = new Date().toISOString();
  const startedMs = performance.now();
  await server.publish({ event_id, type: tree.eventType, source: "smoke", occurred_at, payload: {} });
  const deadline = Date.now() + settings.waitMs;
  for (;;) {
    const run = (await server.listRuns(id)).find((row) => row.event_id === event_id);
    const isDone = run !== undefined && run.status !== "running";
    if (isDone || Date.now() > deadline) {
      const took = `after ${Math.round(performance.now() - startedMs)} ms`;
      const seen = run === undefined ? `no run ${took}` : `run ${run.run_id} ${run.status} ${took}`;
      evidence.check(`an event runs ${name}`, run?.status === "succeeded", seen);
      return;
    }
    await Bun.sleep(50);
    signal.throwIfAborted();
  }
}

/** Its files, its definitions, and with them its schedules; not by what interrupted the rest. */
async function cleanUp({ settings, tree, evidence, before }: Smoke): Promise<void> {
  evidence.step("Clean up");
  const signal = AbortSignal.timeout(CLEAN_UP_WITHIN_MS);
  const server = createRemoteServer(settings.url, settings.key, signal);
  try {
    tree.remove();
    evidence.say(`removed ${tree.directory}`);
    const retired = await server.sync();
    evidence.say(`POST /admin/sync -> ${retired.status}: ${describeCounts(retired.body)}`);
    for (const { id, name } of await server.listDefinitions(tree.prefix)) {
      const { status } = await server.remove(id);
      evidence.say(`DELETE ${name} -> ${status}`);
    }
    const { status, body } = await server.sync();
    evidence.say(`POST /admin/sync -> ${status}: ${describeCounts(body)}`);
    const left = await server.listDefinitions(tree.prefix);
    const paused = body.schedules.paused - before.quiet.schedules.paused;
    const isClean = left.length === 0 && paused === 0;
    evidence.check("nothing of it is left", isClean, `${left.length} definitions, ${paused} paused schedules`);
  } catch (error) {
    evidence.fail(`not cleaned up: ${(error as Error).message}`);
    evidence.say(
      `left behind: what is named ${tree.prefix}*, and perhaps ${tree.directory}: remove it, sync, and DELETE`,
    );
  }
}

const interrupt = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.on(name, () => {
    if (interrupt.signal.aborted) process.exit(1);
    console.log(`\n${name}: cleaning up; once more leaves things as they are`);
    interrupt.abort(new Error(name));
  });
try {
  process.exit(await main(process.env, interrupt.signal));
} catch (error) {
  console.log(`\nsmoke could not begin: ${(error as Error).message}`);
  process.exit(error instanceof NotMet ? 2 : 1);
}
