/**
 * Runs that wait for their gates, while the process that lets them in is killed again and again. Every event has one run, all of
 * them end, never do more go or begin than the definition says, and no place is lost on the way. Prints its figures.
 */
import postgres from "postgres";
import { eventually } from "../support/engines.ts";
import { connectNats } from "../support/nats-client.ts";
import { besides, readEndpoints, type Server } from "../support/server.ts";
import { define } from "../support/shared-server.ts";
import { eventIds, type Ground, publishAll } from "./scenarios.ts";

const AT_A_TIME = 3;
const RATE = { count: 10, perMs: 2_000 };
/** A workflow whose worker was killed goes on when the engine has noticed it. */
const ENDED_WITHIN_MS = 180_000;
/** A free place is taken at once; the look that needs no telling comes every five seconds. */
const FREE_WITHIN_MS = 15_000;

/** `engines` run by themselves; api, router and worker are one process, which is killed. */
export async function killAmidGates(
  ground: Ground,
  engines: Server,
  { kills, eventsPerKill }: { kills: number; eventsPerKill: number },
): Promise<void> {
  const receiver = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    async fetch() {
      await Bun.sleep(50 + 200 * Math.random());
      return new Response("ok");
    },
  });
  const start = () => ground.start({ roles: "api,router,worker", flags: besides(engines.flags, 1) });
  let server = await start();
  await server.ready(60_000);
  const sql = postgres(readEndpoints(server).dbUrl, { max: 1, onnotice: () => {} });
  try {
    const task_templates = [{ key: "ask", type: "http", params: { url: `http://127.0.0.1:${receiver.port}/` } }];
    const counted = await define(server, { task_templates, flow: { max_concurrent_runs: AT_A_TIME } });
    const limited = await define(server, { flow: { rate_limit: { count: RATE.count, per: `${RATE.perMs}ms` } } });
    const all: string[] = [];
    for (let round = 0; round <= kills; round++) {
      const ids = eventIds(eventsPerKill);
      all.push(...ids);
      const nats = await connectNats(server);
      await publishAll(nats, counted, ids);
      await publishAll(
        nats,
        limited,
        ids.map((id) => `${id}-limited`),
      );
      await nats.close();
      if (round === kills) break;
      await Bun.sleep(Math.random() * 1_500); // where it hits is left to chance
      server.kill("SIGKILL");
      await server.exited;
      server = await start();
      await server.ready(60_000);
    }
    for (const { id } of [counted, limited]) await assertAllSucceeded(sql, id, all.length);
    const going = await readMostGoing(sql, counted.id);
    const begun = await readMostBegun(sql, limited.id);
    console.log(
      `  ${2 * all.length} runs, ${kills} kills: at most ${going} of ${AT_A_TIME} went at a time, and ${begun} of ${RATE.count} began in ${RATE.perMs} ms`,
    );
    if (going > AT_A_TIME) throw new Error(`${going} runs went at a time, of ${AT_A_TIME} that may`);
    if (begun > RATE.count) throw new Error(`${begun} runs began in ${RATE.perMs} ms, of ${RATE.count} that may`);
    await assertPlacesAreFree(server, counted.id);
  } finally {
    receiver.stop(true);
    await sql.end();
    server.kill("SIGTERM");
    await server.exited;
  }
}

async function assertAllSucceeded(sql: postgres.Sql, activityId: string, runs: number): Promise<void> {
  let last: object = {};
  const wanted = { runs, events: runs, succeeded: runs };
  await eventually(
    "one finished run for each event",
    async () => {
      const [row] = await sql`
        select count(*)::int as runs, count(distinct event_id)::int as events,
          count(*) filter (where status = 'succeeded')::int as succeeded
        from actcore.runs where activity_id = ${activityId}`;
      last = { ...row };
      return Bun.deepEquals(last, wanted);
    },
    ENDED_WITHIN_MS,
  ).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(last)}, wanted ${JSON.stringify(wanted)}`);
  });
}

/** How many runs went in the moment in which most did, each from its admission to its end. */
async function readMostGoing(sql: postgres.Sql, activityId: string): Promise<number> {
  const [row] = await sql`
    select max((select count(*) from actcore.runs o where o.activity_id = r.activity_id
      and o.admitted_at <= r.admitted_at and o.finished_at > r.admitted_at))::int as most
    from actcore.runs r where activity_id = ${activityId}`;
  return row?.most ?? 0;
}

/** How many runs began in the stretch of the rate limit in which most did. */
async function readMostBegun(sql: postgres.Sql, activityId: string): Promise<number> {
  const [row] = await sql`
    select max((select count(*) from actcore.runs o where o.activity_id = r.activity_id and o.admitted_at <= r.admitted_at
      and o.admitted_at > r.admitted_at - ${RATE.perMs} * interval '1 ms'))::int as most
    from actcore.runs r where activity_id = ${activityId}`;
  return row?.most ?? 0;
}

async function assertPlacesAreFree(server: Server, activityId: string): Promise<void> {
  const asked = Array.from({ length: AT_A_TIME }, () =>
    server.api(`/activity-definitions/${activityId}/trigger`, { json: {} }),
  );
  for (const { body } of await Promise.all(asked))
    await eventually(
      "a run by hand takes a free place",
      async () => (await server.api(`/runs/${body.run_id}`)).body.status === "succeeded",
      FREE_WITHIN_MS,
    );
}
