/**
 * What `make chaos` does to a server, and what must stand afterwards: every event has exactly one run, all closed,
 * nothing waits. Each scenario prints one line. docs/idempotency.md says why each of them holds.
 */
import { type Client, Connection, Client as TemporalClient } from "@temporalio/client";
import type { NatsConnection } from "nats";
import postgres from "postgres";
import type { DispatchPoint } from "../../src/dispatch/dispatcher.ts";
import { eventually } from "../support/engines.ts";
import { connectNats, countMessages, STREAM } from "../support/nats-client.ts";
import { besides, readEndpoints, type Server, type ServerOptions } from "../support/server.ts";

export const POINTS: readonly DispatchPoint[] = ["fetched", "recorded", "started", "marked"];

/** A data directory with a definition on it, and what a scenario needs to look at it from outside. */
export interface Ground {
  dataDir: string;
  start(options?: ServerOptions): Promise<Server>;
}

export interface Activity {
  id: string;
  type: string;
}

export async function define(server: Server): Promise<Activity> {
  const type = `chaos.${crypto.randomUUID()}`;
  const task_templates = [{ key: "log", type: "log", params: { message: "chaos", level: "debug" } }];
  const json = { name: type, trigger_config: { trigger_type: "event", event_type: type }, task_templates };
  const { body } = await server.api("/activity-definitions", { json });
  return { id: body.id, type };
}

/** Publishes each event `times` times, some at once; resolves when the stream has all of them. */
export async function publishAll(
  nats: NatsConnection,
  { type }: Activity,
  ids: readonly string[],
  times = 1,
): Promise<void> {
  const queue = Array.from({ length: times }, () => ids)
    .flat()
    .values();
  const jetstream = nats.jetstream({ timeout: 20_000 });
  const publishers = Array.from({ length: 16 }, async () => {
    for (const event_id of queue) {
      const envelope = { event_id, type, source: "chaos", occurred_at: new Date().toISOString(), payload: {} };
      await jetstream.publish("activity.chaos", JSON.stringify(envelope));
    }
  });
  await Promise.all(publishers);
}

export function eventIds(count: number): string[] {
  const prefix = crypto.randomUUID().slice(0, 8);
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

/** Waits until every event has its run, all closed, and the stream is empty; throws at the deadline, with the counts. */
export async function assertOnceEach(
  server: Server,
  activity: Activity,
  ids: readonly string[],
  withinMs = 180_000,
): Promise<void> {
  const { dbUrl } = readEndpoints(server);
  const sql = postgres(dbUrl, { max: 1, onnotice: () => {} });
  const nats = await connectNats(server);
  const count = async () => {
    const [row] = await sql`
      select count(*)::int as runs, count(distinct event_id)::int as events,
        count(*) filter (where status <> 'succeeded')::int as unfinished,
        (select count(*)::int from actcore.events where type = ${activity.type} and outcome = 'received') as received
      from actcore.runs where activity_id = ${activity.id} and event_id = any(${[...ids]})`;
    return {
      ...(row as unknown as { runs: number; events: number; unfinished: number; received: number }),
      messages: await countMessages(nats),
    };
  };
  const wanted = { runs: ids.length, events: ids.length, unfinished: 0, received: 0, messages: 0 };
  let last: unknown;
  try {
    await eventually(
      "one finished run per event",
      async () => {
        last = await count();
        return Bun.deepEquals(last, wanted);
      },
      withinMs,
    );
    // Nothing comes late: what would run twice has had its chance.
    await Bun.sleep(1000);
    last = await count();
    if (!Bun.deepEquals(last, wanted)) throw new Error("something ran afterwards");
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(last)}, wanted ${JSON.stringify(wanted)}`);
  } finally {
    await sql.end();
    await nats.close();
  }
}

/** Kills the whole server `kills` times while the events, each published twice, go in and through. */
export async function killServer(ground: Ground, events: number, kills: number): Promise<Server> {
  let server = await ground.start();
  await server.ready();
  const activity = await define(server);
  const ids = eventIds(events);
  const share = Math.ceil(events / (kills + 1));
  for (let round = 0; round <= kills; round++) {
    const nats = await connectNats(server);
    await publishAll(nats, activity, ids.slice(round * share, (round + 1) * share), 2);
    await nats.close();
    if (round === kills) break;
    await Bun.sleep(Math.random() * 1500); // where it hits is left to chance
    server.kill("SIGKILL");
    await server.exited;
    server = await ground.start({ flags: server.flags });
    await server.ready(60_000);
  }
  await assertOnceEach(server, activity, ids);
  return server;
}

/** Routers that die at each of `points`, `times` times, beside a worker; a whole one finishes at last. */
export async function killRouterAt(server: Server, points: readonly DispatchPoint[], times: number): Promise<void> {
  const activity = await define(server);
  const nats = await connectNats(server);
  const all: string[] = [];
  for (const point of points.flatMap((point) => Array<DispatchPoint>(times).fill(point))) {
    const ids = eventIds(4);
    all.push(...ids);
    await publishAll(nats, activity, ids);
    const router = startRouter(server, point);
    await router.exited;
    if (router.signalCode !== "SIGKILL") throw new Error(`the router ended with ${router.exitCode}, not at ${point}`);
  }
  await nats.close();
  const router = startRouter(server);
  try {
    await assertOnceEach(server, activity, all);
  } finally {
    router.kill("SIGKILL");
    await router.exited;
  }
}

export function startRouter(server: Server, fatalPoint?: string) {
  const program = new URL("./crashing-router.ts", import.meta.url).pathname;
  const args = [program, JSON.stringify(readEndpoints(server)), ...(fatalPoint === undefined ? [] : [fatalPoint])];
  return Bun.spawn([process.execPath, ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Two routers and two workers at once. */
export async function runReplicas(ground: Ground, server: Server, events: number): Promise<void> {
  const twins = await Promise.all(
    [1, 2].map((nth) => ground.start({ roles: "router,worker", flags: besides(server.flags, nth) })),
  );
  try {
    await Promise.all(twins.map((twin) => twin.ready()));
    const activity = await define(server);
    const ids = eventIds(events);
    const nats = await connectNats(server);
    await publishAll(nats, activity, ids, 2);
    await nats.close();
    await assertOnceEach(server, activity, ids);
  } finally {
    for (const twin of twins) {
      twin.kill("SIGTERM");
      await twin.exited;
    }
  }
}

/** One of two routers stopped for `stoppedMs`, past the ack deadline, in the middle of a burst, and continued. */
export async function freezeRouter(ground: Ground, server: Server, events: number, stoppedMs: number): Promise<void> {
  const twin = await ground.start({ roles: "router", flags: besides(server.flags, 1) });
  try {
    await twin.ready();
    const activity = await define(server);
    const ids = eventIds(events);
    const nats = await connectNats(server);
    const publishing = publishAll(nats, activity, ids);
    await Bun.sleep(50);
    twin.kill("SIGSTOP");
    await publishing;
    await nats.close();
    await Bun.sleep(stoppedMs);
    twin.kill("SIGCONT");
    await assertOnceEach(server, activity, ids);
  } finally {
    twin.kill("SIGCONT");
    twin.kill("SIGTERM");
    await twin.exited;
  }
}

/** Runs whose workflows the engine was told to delete. */
export interface Deleted {
  activity: Activity;
  ids: readonly string[];
}

/** The engine forgets the workflows, and the events come again. */
export async function forgetWorkflows(server: Server, count: number): Promise<void> {
  await repeatForgotten(server, await deleteWorkflows(server, count));
}

/** The engine takes up to half a minute to do it: so often it ticks off what is closed, and it deletes nothing before. */
export async function deleteWorkflows(server: Server, count: number): Promise<Deleted> {
  const activity = await define(server);
  const ids = eventIds(count);
  const nats = await connectNats(server);
  await publishAll(nats, activity, ids);
  await assertOnceEach(server, activity, ids);
  const client = await connectTemporal(server);
  const namespace = "default";
  for (const id of ids) {
    const workflowExecution = { workflowId: `activity-${activity.id}:${id}` };
    await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution });
  }
  await nats.close();
  await client.connection.close();
  return { activity, ids };
}

/** Waits until the workflows are gone, then makes the events and a workflow come again. */
export async function repeatForgotten(server: Server, { activity, ids }: Deleted): Promise<void> {
  const client = await connectTemporal(server);
  const nats = await connectNats(server);
  await eventually(
    "the workflows are gone",
    async () => {
      const handles = ids.map((id) => client.workflow.getHandle(`activity-${activity.id}:${id}`));
      const known = await Promise.allSettled(handles.map((handle) => handle.describe()));
      return known.every((result) => result.status === "rejected" && result.reason.name === "WorkflowNotFoundError");
    },
    // The engine puts a deletion off, ever longer, until its list of workflows has come so far; on a busy machine for minutes.
    300_000,
  );
  await publishAll(nats, activity, ids);
  await eventually("the stream is empty", async () => (await countMessages(nats)) === 0);
  // And the engine alone does not run them again either: the claim refuses.
  const started = await client.workflow.execute("RunActivityWorkflow", {
    workflowId: `activity-${activity.id}:${ids[0]}`,
    taskQueue: "orchestrator-tq",
    args: [activity.id, { event_id: ids[0] }],
  });
  if ((started as { status: string }).status !== "duplicate")
    throw new Error(`it ran again: ${JSON.stringify(started)}`);
  await nats.close();
  await client.connection.close();
  await assertOnceEach(server, activity, ids);
}

/** The stream is deleted under the router and made anew. */
export async function loseStream(server: Server, events: number): Promise<void> {
  const activity = await define(server);
  const nats = await connectNats(server);
  await (await nats.jetstreamManager()).streams.delete(STREAM);
  await eventually(
    "the stream is there again",
    () =>
      countMessages(nats).then(
        () => true,
        () => undefined,
      ),
    60_000,
  );
  const ids = eventIds(events);
  await publishAll(nats, activity, ids);
  await nats.close();
  await assertOnceEach(server, activity, ids);
}

/** I4: a definition is written, and in the moment of its answer its event is published. */
export async function publishAtOnce(server: Server, times: number): Promise<void> {
  const nats = await connectNats(server);
  const activities: { activity: Activity; ids: string[] }[] = [];
  for (let round = 0; round < times; round++) {
    const activity = await define(server);
    const ids = eventIds(1);
    await publishAll(nats, activity, ids);
    activities.push({ activity, ids });
  }
  await nats.close();
  const { dbUrl } = readEndpoints(server);
  const sql = postgres(dbUrl, { max: 1, onnotice: () => {} });
  const ids = activities.map(({ activity }) => activity.id);
  let runs = 0;
  try {
    await eventually(
      "a run of each",
      async () => {
        const [row] =
          await sql`select count(*)::int as runs from actcore.runs where activity_id = any(${ids}::uuid[]) and status = 'succeeded'`;
        runs = row?.runs;
        return runs === times;
      },
      180_000,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${runs} of ${times}`);
  } finally {
    await sql.end();
  }
}

async function connectTemporal(server: Server): Promise<Client> {
  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  return new TemporalClient({ connection });
}
