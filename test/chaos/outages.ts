/**
 * Engines that go away under events: nothing that was acknowledged is lost, what waits takes no memory, `/readyz` says what
 * is missing, and once the engine is back everything runs within seconds.
 */
import postgres from "postgres";
import { rssMb } from "../bench/cpu.ts";
import { concurrently } from "../bench/load.ts";
import { eventually } from "../support/engines.ts";
import { connectNats, countMessages } from "../support/nats-client.ts";
import { readEndpoints, readStatus, type Server } from "../support/server.ts";
import { type Activity, assertOnceEach, define, eventIds } from "./scenarios.ts";

/** After an engine is back, everything that waited has run. */
const RUN_WITHIN_MS = 15_000;
/** Megabytes by which a process may grow while events wait in the stream. */
const MAX_GROWTH_MB = 60;

/** nats-server is killed under publishers, who go on until the last kill, and publish what was not acknowledged again. */
export async function killNats(server: Server, kills: number): Promise<void> {
  const activity = await define(server);
  const acknowledged: string[] = [];
  let refused = 0;
  let isOver = false;
  const publishers = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const [event_id = ""] = eventIds(1);
      const json = { event_id, type: activity.type, source: "chaos", occurred_at: new Date().toISOString() };
      while ((await statusOf(server.api("/events", { json }))) !== 202) {
        refused++;
        await Bun.sleep(200);
      }
      acknowledged.push(event_id);
      await Bun.sleep(200);
    }
  });
  for (let kill = 0; kill < kills; kill++) {
    await Bun.sleep(1_000);
    const before = await pidOf(server, "nats");
    process.kill(before, "SIGKILL");
    await eventually("NATS is started again", async () => (await pidOf(server, "nats")) !== before, 30_000);
    await server.ready(30_000);
  }
  isOver = true;
  await Promise.all(publishers);
  await assertOnceEach(server, activity, acknowledged);
  console.log(
    `  ${refused} publishes were refused and repeated, ${acknowledged.length} were acknowledged and ran once`,
  );
}

async function statusOf(answer: Promise<{ status: number }>): Promise<number> {
  return (await answer.catch(() => ({ status: 0 }))).status;
}

/** All sessions of Postgres, the engine's own too, are ended twice a second under events. */
export async function terminateSessions(server: Server, seconds: number): Promise<void> {
  const activity = await define(server);
  const sql = postgres(readEndpoints(server).dbUrl, { max: 1, onnotice: () => {} });
  const publishing = publishSteadily(server, activity, seconds);
  let ended = 0;
  for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs; await Bun.sleep(500)) {
    const sessions = await sql<{ pid: number }[]>`
      select pid from pg_stat_activity where pid <> pg_backend_pid() and datname is not null`;
    for (const { pid } of sessions) {
      try {
        process.kill(pid, "SIGTERM");
        ended++;
      } catch {
        // It has ended.
      }
    }
  }
  await sql.end();
  const backMs = Date.now();
  const ids = await publishing;
  await assertOnceEach(server, activity, ids, RUN_WITHIN_MS);
  console.log(`  ${ended} sessions ended: ${ids.length} runs over ${Date.now() - backMs} ms after the last`);
}

/** Temporal is stopped for a while under events. */
export async function stopTemporalUnderEvents(server: Server, seconds: number): Promise<void> {
  const activity = await define(server);
  const pid = await pidOf(server, "temporal");
  process.kill(pid, "SIGSTOP");
  let ids: string[];
  try {
    ids = await publishSteadily(server, activity, seconds, 5);
    await expectWaiting(server, "temporal");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  const backMs = Date.now();
  await assertOnceEach(server, activity, ids, RUN_WITHIN_MS);
  console.log(`  ${ids.length} events waited, and had run ${Date.now() - backMs} ms after it was back`);
  await server.ready(30_000);
}

/** Postgres is stopped while events gather in the stream: no process grows with them. */
export async function gatherWithoutPostgres(server: Server, events: number, seconds: number): Promise<void> {
  const nats = await connectNats(server);
  const jetstream = nats.jetstream({ timeout: 20_000 });
  const prefix = crypto.randomUUID();
  const type = `chaos.${prefix}`;
  const pid = await pidOf(server, "postgres");
  const publish = (nth: number) => {
    const envelope = { event_id: `${prefix}-${nth}`, type, source: "chaos", occurred_at: new Date().toISOString() };
    return jetstream.publish("activity.chaos", JSON.stringify({ ...envelope, payload: { text: "x".repeat(2_000) } }));
  };
  const beforeMb = rssMb(server.pid);
  let mostMb = 0;
  const children = await sessionsOf(pid);
  for (const each of [pid, ...children]) process.kill(each, "SIGSTOP");
  let backMs = 0;
  try {
    const endMs = Date.now() + seconds * 1000;
    await concurrently(events, publish);
    while (Date.now() < endMs) {
      mostMb = Math.max(mostMb, rssMb(server.pid));
      await Bun.sleep(250);
    }
    await expectWaiting(server, "postgres");
  } finally {
    for (const each of [pid, ...children]) process.kill(each, "SIGCONT");
    backMs = Date.now();
  }
  await eventually(
    "the router is ready again",
    async () => (await server.monitor("/readyz")).status === 200,
    RUN_WITHIN_MS,
  );
  await eventually("the stream is empty", async () => (await countMessages(nats)) === 0, 120_000);
  await nats.close();
  const emptyMs = Date.now() - backMs;
  console.log(
    `  ${events} events waited ${seconds} s: serve had ${beforeMb} MB before, at most ${mostMb}; the stream was empty ${emptyMs} ms after`,
  );
  if (mostMb > beforeMb + MAX_GROWTH_MB) throw new Error(`serve grew from ${beforeMb} to ${mostMb} MB`);
}

/** Fills the stream: the door says when to come again, and takes events again when there is room. */
export async function fillStream(server: Server): Promise<void> {
  const nats = await connectNats(server);
  const manager = await nats.jetstreamManager();
  const { config } = await manager.streams.info("ACTIVITY_EVENTS");
  await manager.streams.update("ACTIVITY_EVENTS", { max_bytes: 1 });
  const json = { type: "chaos.full", source: "chaos", occurred_at: new Date().toISOString() };
  try {
    const { status, headers, body } = await server.api("/events", { json: { ...json, event_id: crypto.randomUUID() } });
    if (status !== 503 || body.code !== "stream_full" || headers.get("retry-after") === null)
      throw new Error(`a full stream was answered ${status} ${JSON.stringify(body)}`);
  } finally {
    await manager.streams.update("ACTIVITY_EVENTS", { max_bytes: config.max_bytes });
    await nats.close();
  }
  const { status } = await server.api("/events", { json: { ...json, event_id: crypto.randomUUID() } });
  if (status !== 202) throw new Error(`a stream with room was answered ${status}`);
}

/** `/readyz` says which engine is away and since when, and that the router waits. */
async function expectWaiting(server: Server, engine: string): Promise<void> {
  let last = "";
  try {
    await eventually(
      `/readyz says that the router waits for ${engine}`,
      async () => {
        const { status, text } = await server.monitor("/readyz");
        last = text;
        const { engines, roles } = JSON.parse(text);
        const isNamed = engines[engine].state === "down" && engines[engine].since && engines[engine].error;
        return status === 503 && isNamed && roles.router.waiting_for?.includes(engine);
      },
      20_000,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${last}`);
  }
}

/** Publishes for a while at a steady rate; answers the ids that the stream has. */
async function publishSteadily(server: Server, { type }: Activity, seconds: number, perSecond = 10): Promise<string[]> {
  const nats = await connectNats(server);
  const jetstream = nats.jetstream({ timeout: 20_000 });
  const ids = eventIds(seconds * perSecond);
  for (const event_id of ids) {
    const envelope = { event_id, type, source: "chaos", occurred_at: new Date().toISOString() };
    await jetstream.publish("activity.chaos", JSON.stringify(envelope));
    await Bun.sleep(1000 / perSecond);
  }
  await nats.close();
  return ids;
}

async function pidOf(server: Server, name: string): Promise<number> {
  return (await readStatus(server)).engines.find((engine) => engine.name === name)?.pid ?? 0;
}

/** The processes below one: a stopped postmaster stops none of its sessions. */
async function sessionsOf(pid: number): Promise<number[]> {
  const text = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
  return text.trim().split(" ").filter(Boolean).map(Number);
}
