/**
 * Watching for silence on the compiled binary: over a late success, a deletion, a pause in the engine, and an outage of everything
 * by SIGKILL. No activity is told of that had its chance, and each that was silent is told of once.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { parse } from "yaml";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import { eventually } from "../support/engines.ts";
import {
  createDirectory,
  readEndpoints,
  removeDirectory,
  run,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";
import { define, envelope, finishedRuns } from "../support/shared-server.ts";

const dataDir = createDirectory();
let server: Server;
beforeAll(async () => {
  server = await startServer({ dataDir });
  await server.ready();
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  await server?.destroy();
  await removeDirectory(dataDir);
}, SERVER_TIMEOUT_MS);

interface Told {
  event_id: string;
  payload: { activity_id: string; overdue_since: string; last_success: { run_id: string } | null };
}
/** The own events of a type that the router recorded, oldest first. */
async function toldOf(news: "overdue" | "recovered"): Promise<Told[]> {
  const { body } = await server.api<Told[]>(`/events?type=actcore.activity.${news}&limit=500`);
  return Promise.all(body.toReversed().map(async ({ event_id }) => (await server.api(`/events/${event_id}`)).body));
}
const subjectsOf = async (news: "overdue" | "recovered") =>
  (await toldOf(news)).map(({ payload }) => payload.activity_id);
const expectationOf = async (id: string) => (await server.api(`/activity-definitions/${id}`)).body.expectation;
const watch = (within: string, rest: object = {}) => define(server, { expect: { success_within: within }, ...rest });
const every = (time: string) => ({ trigger_config: { trigger_type: "interval", every: time } });
const publish = (type: string) => server.api("/events", { json: envelope(type) });

async function example(file: string) {
  const text = await Bun.file(join(REPOSITORY, "docs/examples", file)).text();
  return define(server, parse(text));
}

/** Pauses a schedule as somebody would in Temporal's Web UI, or lets it go on. */
async function setPaused(id: string, paused: boolean): Promise<void> {
  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  try {
    const handle = new Client({ connection }).schedule.getHandle(`activity-schedule-${id}`);
    await eventually("the schedule is there", () => handle.describe().catch(() => undefined));
    await (paused ? handle.pause() : handle.unpause());
  } finally {
    await connection.close();
  }
}

test("of silence is told once, over a late success, a deletion, a pause and an outage, and never without it", async () => {
  const listener = await example("silence.yaml");
  const heartbeat = await example("heartbeat.yaml");
  const late = await watch("30s");
  const silent = await watch("60s");
  const beating = await watch("30s", every("10s"));
  const paused = await watch("40s", every("20s"));
  const deleted = await watch("30s");
  await setPaused(paused.id, true);
  await publish(silent.type);
  const [success] = await finishedRuns(server, silent.id, 1);
  await fetch(`http://${server.flags.apiAddr}/activity-definitions/${deleted.id}`, { method: "DELETE" });

  await eventually("the late one is told of", async () => (await subjectsOf("overdue")).includes(late.id), 45_000);
  expect(await expectationOf(late.id)).toMatchObject({ last_success_at: null, overdue_since: expect.any(String) });
  expect((await server.monitor("/metrics")).text).toContain("\nactcore_activities_overdue 1\n");
  const { stdout } = await run(["status", `--data-dir=${dataDir}`]);
  expect(stdout).toContain(`: ${late.name}\n`);
  await publish(late.type);
  const [lateRun] = await finishedRuns(server, late.id, 1);
  await eventually("it has recovered", async () => (await subjectsOf("recovered")).includes(late.id));
  expect((await toldOf("recovered"))[0]?.payload.last_success?.run_id).toBe(lateRun?.run_id as string);
  // From here on nothing is expected of it.
  await server.api(`/activity-definitions/${late.id}`, {
    method: "PATCH",
    body: JSON.stringify({ enabled: false }),
    headers: { "content-type": "application/json" },
  });
  expect(await expectationOf(late.id)).toBeNull();
  const beats = await expectationOf(beating.id);
  expect(beats.overdue_since).toBeNull();

  server.kill("SIGKILL");
  await server.exited;
  // Longer than what is expected of the one that beats, and beyond the time of the silent one.
  await Bun.sleep(40_000);
  server = await startServer({ dataDir, flags: server.flags });
  await server.ready();
  const back = Date.now();
  await eventually("the silent one is told of", async () => (await subjectsOf("overdue")).includes(silent.id), 60_000);
  // What an outage held up had half a minute to begin.
  expect(Date.now() - back).toBeGreaterThan(20_000);
  expect((await toldOf("overdue")).at(-1)?.payload.last_success?.run_id).toBe(success?.run_id as string);
  const again = await expectationOf(beating.id);
  expect(Date.parse(again.last_success_at)).toBeGreaterThan(Date.parse(beats.last_success_at));

  await setPaused(paused.id, false);
  await eventually("the paused one goes on", async () => (await expectationOf(paused.id)).last_success_at, 45_000);
  expect(await expectationOf(heartbeat.id)).toMatchObject({ success_within: "3m", overdue_since: null });
  expect(await subjectsOf("overdue")).toEqual([late.id, silent.id]);
  expect(await subjectsOf("recovered")).toEqual([late.id]);
  const told = await finishedRuns(server, listener.id, 3);
  expect(told.map(({ status }) => status)).toEqual(Array(3).fill("succeeded"));
  expect(server.stderr()).toContain("actcore.activity.overdue since");
}, 300_000);
