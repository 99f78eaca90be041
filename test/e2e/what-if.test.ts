/** What a what-if says of 200 events agrees with what the change then does, on a whole server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { openPostgres, type Postgres } from "../../src/postgres/client.ts";
import type { SyncRehearsal } from "../../src/rehearsal/what-if-report.ts";
import { eventually } from "../support/engines.ts";
import {
  createDirectory,
  findPorts,
  readEndpoints,
  run,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";

const EVENTS = 200;
const directory = createDirectory();
const write = (text: string) => Bun.write(join(directory, "activities.yaml"), text);

const note = (message: string, rest = "") =>
  `task_templates: [{key: note, type: log, params: {message: "${message}"}${rest}}]`;
const BEFORE = `
name: filtered
trigger_config: {trigger_type: event, event_type: order.created, filters: {tier: pro}}
${note("hi")}
---
name: conditional
trigger_config: {trigger_type: event, event_type: order.created}
when: event.payload.total > 50
${note("hi")}
---
name: guarded
trigger_config: {trigger_type: event, event_type: order.created, when: event.payload.total > 20}
${note("hi")}
---
name: fanned
trigger_config: {trigger_type: event, event_type: invoice.created}
${note("{{ item }}", ", for_each: event.payload.items")}
---
name: worded
trigger_config: {trigger_type: event, event_type: invoice.created}
${note("hi")}
---
name: failing
trigger_config: {trigger_type: event, event_type: invoice.created}
${note("hi")}
---
name: widened
trigger_config: {trigger_type: event, event_type: order.created}
${note("hi")}
---
name: looking
trigger_config: {trigger_type: event, event_type: user.created}
context_sources: [{name: limit, type: static, value: {total: 40}}]
when: event.payload.total > context.limit.total
${note("hi")}
---
name: gone
trigger_config: {trigger_type: event, event_type: user.created}
${note("hi")}
---
name: switched
trigger_config: {trigger_type: event, event_type: user.created}
${note("hi")}
---
name: untouched
trigger_config: {trigger_type: event, event_type: user.created}
${note("hi")}
`;
const AFTER = `
name: filtered
trigger_config: {trigger_type: event, event_type: order.created, filters: {tier: [pro, team]}}
${note("hi")}
---
name: conditional
trigger_config: {trigger_type: event, event_type: order.created}
when: event.payload.total > 30 && event.payload.total < 80
${note("hi")}
---
name: guarded
trigger_config: {trigger_type: event, event_type: order.created, when: event.payload.total > 60}
${note("hi")}
---
name: fanned
trigger_config: {trigger_type: event, event_type: invoice.created}
${note("{{ item }}", ", for_each: event.payload.items, when: item != 'b'")}
---
name: worded
trigger_config: {trigger_type: event, event_type: invoice.created}
${note("{{ event.payload.total > 50 ? 'ho' : 'hi' }}")}
---
name: failing
trigger_config: {trigger_type: event, event_type: invoice.created}
${note("{{ event.payload.coupon }}!")}
---
name: widened
trigger_config: {trigger_type: event, event_type: order.*}
${note("hi")}
---
name: looking
trigger_config: {trigger_type: event, event_type: user.created}
context_sources: [{name: limit, type: static, value: {total: 40}}]
when: event.payload.total > context.limit.total + 20
${note("hi")}
---
name: switched
enabled: false
trigger_config: {trigger_type: event, event_type: user.created}
${note("hi")}
---
name: untouched
trigger_config: {trigger_type: event, event_type: user.created}
${note("hi")}
---
name: fresh
trigger_config: {trigger_type: event, event_type: order.cancelled}
when: event.payload.tier == 'team'
${note("hi")}
`;
const CHANGED = [
  "conditional",
  "failing",
  "fanned",
  "filtered",
  "fresh",
  "gone",
  "guarded",
  "looking",
  "switched",
  "widened",
  "worded",
];

/** The same each time. */
function eventOf(round: string, n: number) {
  const tier = ["free", "pro", "team"][n % 3];
  const items = ["a", "b", "c"].slice(0, n % 4);
  const payload = { n, tier, total: (n * 37) % 100, items, ...(n % 5 > 0 && { coupon: `c${n}` }) };
  const kind = ["order", "invoice", "user"][Math.floor(n / 4) % 3];
  const type = n % 10 === 0 ? "order.cancelled" : `${kind}.created`;
  return { event_id: `${round}-${n}`, type, source: "shop", occurred_at: "2026-01-31T09:30:00Z", payload };
}

let server: Server;
let database: Postgres;
beforeAll(async () => {
  await write(BEFORE);
  server = await startServer({ flags: { ...(await findPorts()), definitionsDirs: directory } });
  await server.ready();
  database = openPostgres(readEndpoints(server).dbUrl, "test");
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  await database?.close();
  await server?.destroy();
});

/** What each activity did on an event: its tasks, as a text, or undefined where it made no run that did something. */
type Did = Map<string, string | undefined>;

/** Publishes the events, waits until all is over, and reads what came of each. */
async function publish(round: string): Promise<Did[]> {
  for (let n = 0; n < EVENTS; n++) {
    const { status } = await server.api("/events", { json: eventOf(round, n) });
    expect(status).toBe(202);
  }
  const ofRound = `${round}-%`;
  await eventually(
    "every event is dispatched, and every run is over",
    async () => {
      const [found] = await database.sql`
        select (select count(*)::integer from actcore.events where event_id like ${ofRound} and outcome <> 'received') as events,
          (select count(*)::integer from actcore.event_outcomes o join actcore.events e using (row_id)
            left join actcore.runs r on r.run_id = o.run_id
            where e.event_id like ${ofRound} and o.outcome = 'run' and r.finished_at is null) as open`;
      return found?.events === EVENTS && found.open === 0;
    },
    120_000,
  );
  const runs = await database.sql`
    select event_id, activity_name, status, error, (
      select string_agg(json_build_array(key, instance, params)::text, ',' order by key, instance)
      from actcore.tasks t where t.run_id = r.run_id
    ) as tasks from actcore.runs r where event_id like ${ofRound}`;
  const did: Did[] = Array.from({ length: EVENTS }, () => new Map());
  for (const { event_id, activity_name, status, error, tasks } of runs) {
    const done = status === "failed" ? `failed: ${error}` : (tasks ?? "no tasks");
    did[Number(event_id.slice(round.length + 1))]?.set(activity_name, status === "skipped" ? undefined : done);
  }
  return did;
}

/** What a what-if would have had to say of what both did. */
function compare(before: string | undefined, after: string | undefined) {
  if (before === after) return "same";
  if (before === undefined) return "now_runs";
  return after === undefined ? "no_longer_runs" : "decides_otherwise";
}

test("what a what-if says of 200 events is what the change then does", async () => {
  await eventually("the activities are there", async () => {
    const { body } = await server.api<unknown[]>("/activity-definitions");
    return body.length === 11;
  });
  const before = await publish("first");
  await write(AFTER);
  const { status, body } = await server.api<SyncRehearsal>("/admin/sync?dry_run=true&history=1d", { method: "POST" });
  expect([status, body.what_if.cut]).toEqual([200, null]);
  expect(body.what_if.events_looked_at).toBe(EVENTS);
  const said = body.what_if.definitions;
  expect(said.map(({ name }) => name).sort()).toEqual(CHANGED);

  expect((await server.api("/admin/sync", { method: "POST" })).status).toBe(200);
  const after = await publish("second");
  const differing = new Set<string>();
  for (const { name, counts, examples } of said) {
    const did = before.map((old, n) => compare(old.get(name), after[n]?.get(name)));
    // Of events that neither version waits for nothing is said, and nothing happened.
    const reached = did.filter((outcome) => outcome !== "same");
    const { same: _, ...others } = counts;
    const counted = Object.groupBy(reached, (outcome) => outcome);
    expect([name, others]).toEqual([
      name,
      {
        now_runs: counted.now_runs?.length ?? 0,
        no_longer_runs: counted.no_longer_runs?.length ?? 0,
        decides_otherwise: counted.decides_otherwise?.length ?? 0,
        unknown: 0,
      },
    ]);
    expect(examples.length).toBe(Math.min(reached.length, 20));
    for (const { event_id, outcome } of examples) {
      expect([name, event_id, outcome]).toEqual([
        name,
        event_id,
        did[Number(event_id?.replace("first-", ""))] ?? "none",
      ]);
      differing.add(outcome);
    }
  }
  expect([...differing].sort()).toEqual(["decides_otherwise", "no_longer_runs", "now_runs"]);
  for (const [n, old] of before.entries()) expect(old.get("untouched")).toBe(after[n]?.get("untouched"));
}, 300_000);

test("the same is told on the command line", async () => {
  await write(BEFORE);
  const { code, stdout } = await run([
    ...["sync", "--dry-run", "--history=1d", `--data-dir=${server.dataDir}`, `--definitions-dir=${directory}`],
  ]);
  expect(code).toBe(0);
  expect(stdout).toContain("what-if filtered: ");
  expect(stdout).toMatch(/event second-\d+: no longer run: runs: note -> does not run: payload.tier is "team"/);
}, 60_000);
