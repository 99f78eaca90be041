/** What-if over a real ledger: what it reads, how fast, and that it leaves everything as it is. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createHistoryReader } from "../../src/postgres/rehearsal/history-reader.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTestApi, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { claim, envelopeOf, matchedEvent, recordEvent } from "../support/ledger.ts";
import { activity, createTree } from "../support/trees.ts";

const tree = createTree();
let database: TestDatabase;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database, [tree.path]);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  tree.remove(".");
  await database?.close();
});

const sync = (query = "") => api.ask("POST", `/admin/sync${query}`);
const note = (message: string) => [{ key: "note", type: "log", params: { message } }];
const NONE = { same: 0, now_runs: 0, no_longer_runs: 0, decides_otherwise: 0, unknown: 0 };

async function record(type: string, payloads: readonly unknown[]): Promise<void> {
  const envelopes = payloads.map((payload, index) => envelopeOf(`${type}-${index}`, { type, payload }));
  await createEventLedger(database.db).record(envelopes.map((envelope) => matchedEvent(envelope)));
}

test("a dry run with history answers what the changed files would have done, and changes nothing", async () => {
  await tree.write("a.yaml", [
    activity("orders", { task_templates: note("hi") }),
    activity("account", {
      context_sources: [{ name: "account", type: "static", value: { active: true } }],
      ...{ when: "context.account.active", task_templates: note("hi") },
    }),
    activity("gone", { task_templates: note("hi") }),
    {
      name: "daily",
      trigger_config: { trigger_type: "cron", cron_expression: "0 3 * * *" },
      task_templates: note("hi"),
    },
  ]);
  await sync();
  const find = async (name: string) => (await api.get(`/activity-definitions/name:${name}`)).body;
  await record("orders", [{ total: 10 }, { total: 60 }, { total: 90 }]);
  await record("gone", [{}]);
  // One event of `account` made a run, with its context; another one made none.
  const { id } = await find("account");
  const run_id = await recordEvent(database, { id, name: "account" }, "account-1");
  await database.sql`update actcore.events set type = 'account' where event_id = 'account-1'`;
  await claim(database, id, { event_id: "account-1" });
  await createRunLedger(database.db).recordContext(run_id, { values: { account: { active: true } }, sources: [] });
  await record("account", [{}]);
  // Nobody's stream brought these: they are no part of the past of an activity.
  await api.post(`/activity-definitions/${(await find("orders")).id}/trigger`, { payload: { total: 70 } });
  await database.sql`update actcore.events set type = 'orders' where event_id like 'manual:%'`;

  await tree.write("a.yaml", [
    activity("orders", {
      trigger_config: { trigger_type: "event", event_type: "orders", when: "event.payload.total > 50" },
      task_templates: note("{{ event.payload.total > 80 ? 'large' : 'hi' }}"),
    }),
    activity("account", {
      context_sources: [{ name: "account", type: "static", value: { active: true } }],
      ...{ when: "!context.account.active", task_templates: note("hi") },
    }),
    activity("fresh", { trigger_config: { trigger_type: "event", event_type: "*" }, task_templates: note("hi") }),
    {
      name: "daily",
      trigger_config: { trigger_type: "cron", cron_expression: "0 3 * * *" },
      task_templates: note("ho"),
    },
  ]);
  const before = await database.sql`select (select count(*) from actcore.definition_versions) as versions,
    (select count(*) from actcore.syncs) as syncs, (select count(*) from actcore.audit_log) as entries`;
  const { status, body } = await sync("?dry_run=true&history=2d");
  expect(status).toBe(200);
  const { definitions, ...rest } = body.what_if;
  expect(rest).toMatchObject({ events_looked_at: 6, cut: null });
  const byName = Object.fromEntries(definitions.map((one: { name: string }) => [one.name, one]));
  expect(byName.orders.counts).toEqual({ ...NONE, same: 1, no_longer_runs: 1, decides_otherwise: 1 });
  expect(byName.account.counts).toEqual({ ...NONE, no_longer_runs: 1, unknown: 1 });
  expect(byName.account.examples).toContainEqual(
    expect.objectContaining({ event_id: "account-1", run_id, outcome: "no_longer_runs", before: "runs: note" }),
  );
  expect(byName.gone).toMatchObject({ action: "retire", counts: { ...NONE, no_longer_runs: 1 } });
  expect(byName.fresh).toMatchObject({ action: "create", counts: { ...NONE, now_runs: 6 } });
  expect(byName.daily.counts).toEqual({ ...NONE, decides_otherwise: 2 });
  const after = await database.sql`select (select count(*) from actcore.definition_versions) as versions,
    (select count(*) from actcore.syncs) as syncs, (select count(*) from actcore.audit_log) as entries`;
  expect([...after]).toEqual([...before]);
});

test("an override that was set over REST counts in both versions, as it would after the sync", async () => {
  await tree.write("b.yaml", activity("switched", { task_templates: note("hi") }));
  await sync();
  await record("switched", [{}]);
  await api.send("PATCH", "/activity-definitions/name:switched", { enabled: false });
  await tree.write("b.yaml", activity("switched", { task_templates: note("ho") }));
  const { body } = await sync("?dry_run=true&history=1d");
  const found = body.what_if.definitions.find((one: { name: string }) => one.name === "switched");
  expect(found.counts).toEqual({ ...NONE, same: 1 });
});

test("history is refused where it is none, too long, or the sync is no dry run", async () => {
  for (const query of ["?dry_run=true&history=long", "?dry_run=true&history=31d", "?history=7d"])
    expect(pathsOf(await sync(query), 400, "invalid_query")).toEqual(["?history"]);
});

test("10,000 events are looked at in a few seconds", async () => {
  await tree.write(
    "c.yaml",
    activity("many", { when: "event.payload.n > 100", task_templates: note("{{ event.payload.n }}!") }),
  );
  await sync();
  for (let at = 0; at < 10_000; at += 1000) {
    const envelopes = Array.from({ length: 1000 }, (_, n) =>
      envelopeOf(`many-${at + n}`, { type: "many", payload: { n: at + n } }),
    );
    await createEventLedger(database.db).record(envelopes.map((envelope) => matchedEvent(envelope)));
  }
  await tree.write(
    "c.yaml",
    activity("many", { when: "event.payload.n > 200", task_templates: note("{{ event.payload.n }}!") }),
  );
  const { body } = await sync("?dry_run=true&history=1d");
  const found = body.what_if.definitions.find((one: { name: string }) => one.name === "many");
  expect(found).toMatchObject({ counts: { ...NONE, same: 9_900, no_longer_runs: 100 }, cut: false });
  expect(body.what_if.duration_ms).toBeLessThan(20_000);
}, 90_000);

test("types are listed one by one, however many events there are of each", async () => {
  const history = createHistoryReader(database.db);
  const all = await history.listTypes({ limit: 100 });
  expect(all).toEqual([...new Set(all)]);
  expect(all).toEqual(expect.arrayContaining(["account", "gone", "many", "orders"]));
  expect(await history.listTypes({ limit: 2, after: all[0] as string })).toEqual(all.slice(1, 3));
});
