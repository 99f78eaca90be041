/**
 * Events that are gathered while the process that records them and closes their windows is killed again and again: each event is in
 * one run, no window stays open longer than its definition says, and no member is older than the one before it. And one dedupe key
 * that several routers meet at once. Prints its figures.
 */
import postgres from "postgres";
import { eventually } from "../support/engines.ts";
import { connectNats } from "../support/nats-client.ts";
import { besides, readEndpoints, type Server } from "../support/server.ts";
import { define } from "../support/shared-server.ts";
import { eventIds, type Ground, publishAll } from "./scenarios.ts";

const MAX_WAIT_MS = 3_000;
const BATCH = 7;
/** How late a window may close after its time, where a worker runs. */
const CLOSED_WITHIN_MS = 2_000;

const FLOWS = [
  { debounce: { quiet: "700ms", max_wait: `${MAX_WAIT_MS}ms`, key: "event.source" } },
  { batch: { size: BATCH, within: "2s" } },
];

export interface WindowKills {
  kills: number;
  /** Whether events are published while it is killed: those that it had taken come again half a minute later. */
  amidPublishing: boolean;
}

/** `engines` run by themselves. Each kill hits while windows are open. */
export async function killAmidWindows(
  ground: Ground,
  engines: Server,
  { kills, amidPublishing }: WindowKills,
): Promise<void> {
  const start = () => ground.start({ roles: "api,router,worker", flags: engines.flags });
  let server = await start();
  await server.ready(60_000);
  const sql = postgres(readEndpoints(engines).dbUrl, { max: 1, onnotice: () => {} });
  const nats = await connectNats(engines);
  try {
    const task_templates = [{ key: "count", type: "log", params: { message: "{{ size(events) }}", level: "debug" } }];
    const activities = await Promise.all(FLOWS.map((flow) => define(server, { flow, task_templates })));
    const published = activities.map(() => [] as string[]);
    let downMs = 0;
    for (let kill = 0; kill < kills; kill++) {
      const publishing = publishFor(amidPublishing ? 1_500 : 500);
      if (!amidPublishing) await publishing;
      await Bun.sleep(amidPublishing ? 300 + Math.random() * 1_200 : 300);
      const killedMs = Date.now();
      server.kill("SIGKILL");
      await Promise.all([server.exited, publishing]);
      server = await start();
      await server.ready(60_000);
      downMs = Math.max(downMs, Date.now() - killedMs);
    }
    await publishFor(500);
    const ids = activities.map(({ id }) => id);
    const wanted = published.reduce((sum, { length }) => sum + length, 0);
    const figures = await eventually(
      "each event is in a run that is over",
      async () => {
        const [row] = await sql`
          select (select count(*)::int from actcore.flow_windows where activity_id = any(${ids}) and closed_at is null) as open,
            (select count(*)::int from actcore.runs where activity_id = any(${ids}) and status <> 'succeeded') as unfinished,
            (select count(*)::int from actcore.runs where activity_id = any(${ids})) as runs,
            count(*)::int as members, count(distinct m.event_id)::int as events,
            count(*) filter (where o.outcome <> 'run' or o.run_id is distinct from w.run_id)::int as astray
          from actcore.flow_members m join actcore.flow_windows w using (window_id)
          left join actcore.event_outcomes o on o.row_id = m.row_id and o.activity_id = w.activity_id
          where w.activity_id = any(${ids})`;
        return row?.open === 0 && row.unfinished === 0 && row.events === wanted && row;
      },
      60_000,
    );
    const [told] = await sql`
      select sum((params->>'message')::int)::int as events from actcore.tasks where activity_id = any(${ids})`;
    const [late] = await sql`
      select count(*) filter (where closes_at - opened_at > ${MAX_WAIT_MS + 10} * interval '1 ms' and kind = 'debounce')::int as put_off,
        max(extract(epoch from closed_at - closes_at) * 1000)::int as late_ms, max(events)  filter (where kind = 'batch')::int as largest,
        (select count(*)::int from (select e.received_at < lag(e.received_at) over (partition by window_id order by position) as is_older
          from actcore.flow_members m join actcore.events e using (row_id)) n where is_older) as misplaced
      from actcore.flow_windows where activity_id = any(${ids})`;
    console.log(
      `  ${wanted} events, ${kills} kills: ${figures.runs} runs; closed at most ${late?.late_ms} ms after their time, and at most ${downMs} ms without a worker`,
    );
    const found = { members: figures.members, astray: figures.astray, told: told?.events, ...late };
    const right = { members: wanted, astray: 0, told: wanted, put_off: 0, misplaced: 0 };
    for (const [name, value] of Object.entries(right))
      if (found[name as keyof typeof found] !== value)
        throw new Error(`${name}: ${JSON.stringify(found)}, wanted ${value}`);
    if (late?.largest > BATCH) throw new Error(`a batch has ${late?.largest} events`);
    if (late?.late_ms > downMs + CLOSED_WITHIN_MS) throw new Error(`a window was closed ${late?.late_ms} ms late`);

    /** Some events of each activity every 50 ms, each twice. */
    async function publishFor(ms: number): Promise<void> {
      for (const until = Date.now() + ms; Date.now() < until; await Bun.sleep(50))
        for (const [nth, activity] of activities.entries()) {
          const events = eventIds(3);
          published[nth]?.push(...events);
          await publishAll(nats, activity, events, 2);
        }
    }
  } finally {
    await sql.end();
    await nats.close();
    server.kill("SIGTERM");
    await server.exited;
  }
}

/** Four routers beside a worker, and four events of one key at a time, `times` times: each key has one run. */
export async function meetOneKey(ground: Ground, engines: Server, times: number): Promise<void> {
  const servers = await Promise.all([
    ground.start({ roles: "api,worker,router", flags: engines.flags }),
    ...[1, 2, 3].map((nth) => ground.start({ roles: "router", flags: besides(engines.flags, nth) })),
  ]);
  const [server] = servers as [Server];
  for (const each of servers) await each.ready(60_000);
  const sql = postgres(readEndpoints(engines).dbUrl, { max: 1, onnotice: () => {} });
  const nats = await connectNats(engines);
  try {
    const { id, type } = await define(server, { dedupe_key_strategy: { key: "event.subject", window: "1h" } });
    const jetstream = nats.jetstream({ timeout: 20_000 });
    for (let key = 0; key < times; key++)
      await Promise.all(
        eventIds(4).map((event_id) => {
          const about = { type, source: "chaos", subject: `key-${key}`, occurred_at: new Date().toISOString() };
          return jetstream.publish("activity.chaos", JSON.stringify({ event_id, ...about, payload: {} }));
        }),
      );
    const found = await eventually(
      "each event has its outcome, and each run is over",
      async () => {
        const [row] = await sql`
          select count(*) filter (where o.outcome = 'run')::int as runs, count(*) filter (where o.outcome = 'duplicate')::int as duplicates,
            count(distinct e.subject) filter (where o.outcome = 'run')::int as keys,
            (select count(*)::int from actcore.runs where activity_id = ${id} and status = 'succeeded') as succeeded
          from actcore.event_outcomes o join actcore.events e using (row_id) where o.activity_id = ${id}`;
        return row && row.runs + row.duplicates === 4 * times && row.succeeded === row.runs && row;
      },
      120_000,
    );
    console.log(`  ${times} keys, 4 events each: ${JSON.stringify(found)}`);
    if (found.runs !== times || found.keys !== times) throw new Error(`${found.runs} runs of ${times} keys`);
  } finally {
    await sql.end();
    await nats.close();
    for (const each of servers) {
      each.kill("SIGTERM");
      await each.exited;
    }
  }
}
