/** Which activities are watched for silence on a real Postgres, and what is told of them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { lookAtAll } from "../../src/expectation/expectation-watch.ts";
import { RetryableError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createExpectationLedger } from "../../src/postgres/expectation/expectation-ledger.ts";
import type { PauseInspector } from "../../src/schedule/reconciler.ts";
import { createTestApi, definitionPath } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, storeDefinition } from "../support/ledger.ts";

const MINUTE_MS = 60_000;
const LONG_AGO = new Date(0);
const NIGHTLY = { trigger_type: "cron", cron_expression: "0 2 * * *", timezone: "UTC" };

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  await database.sql`truncate actcore.own_events, actcore.expectations, actcore.runs, actcore.due_watch`;
});
afterAll(() => database?.close());

/** Looks at everything as if it were so many minutes later; `isPaused` is the engine's answer. */
function look(minutes: number, isPaused: PauseInspector["isPaused"] = async () => false) {
  const deps = {
    ledger: createExpectationLedger(database),
    schedules: { isPaused },
    metrics: createMetrics(),
    log: createLog("silent"),
  };
  return lookAtAll(deps, minutesLater(minutes), LONG_AGO, new AbortController().signal);
}
const minutesLater = (minutes: number) => new Date(Date.now() + minutes * MINUTE_MS);

const watch = (rest: object = {}) => storeDefinition(database, { expect: { success_within: "10m" }, ...rest });
const change = (id: string, rest: object) =>
  createDefinitionStore(database.db).change(
    id,
    ({ body }) => ({ body: { ...body, ...rest }, enabled_override: null }),
    BY_TEST,
  );

async function succeed(activity_id: string, minutes: number, event_id: string | null = null) {
  const run_id = Bun.randomUUIDv7();
  await database.sql`insert into actcore.runs (run_id, activity_id, activity_name, trigger, status, trace_id, workflow_id, version_used, event_id, finished_at)
    values (${run_id}, ${activity_id}, 'a', 'event', 'succeeded', 't', 'w', 1, ${event_id}, ${minutesLater(minutes).toISOString()})`;
  return run_id;
}

async function told() {
  const rows = await database.sql`select type, subject, payload from actcore.own_events order by created_at, event_id`;
  return rows.map(({ type, subject, payload }) => ({ type, subject, payload }));
}
const types = async () => (await told()).map(({ type }) => type.replace("actcore.activity.", ""));
const watched = async () => (await database.sql`select definition_id from actcore.expectations`).length;

test("an activity that falls silent is told of once, with what is known of it, also by several processes at once", async () => {
  const { id, name } = await watch();
  await look(9);
  expect(await told()).toEqual([]);
  await Promise.all([look(11), look(11), look(11)]);
  await look(300);
  const [first, ...others] = await told();
  expect(others).toEqual([]);
  expect(first).toMatchObject({
    type: "actcore.activity.overdue",
    subject: id,
    payload: { activity_id: id, activity_name: name, success_within: "10m", last_success: null, depth: 1 },
  });
  const { silent_since, overdue_since } = (first?.payload ?? {}) as Record<string, string>;
  expect(Date.parse(overdue_since as string) - Date.parse(silent_since as string)).toBe(10 * MINUTE_MS);
});

test("a late success ends the episode, and the next silence is another one", async () => {
  const { id } = await watch();
  await look(11);
  const run_id = await succeed(id, 12);
  await look(13);
  await look(13);
  await look(21);
  expect(await types()).toEqual(["overdue", "recovered"]);
  expect((await told())[1]?.payload).toMatchObject({ last_success: { run_id } });
  await look(23);
  expect(await types()).toEqual(["overdue", "recovered", "overdue"]);
});

test("a success in time is found when it is looked at, and counts also when retention has removed its run", async () => {
  const { id } = await watch();
  await succeed(id, 8);
  await look(17);
  expect(await told()).toEqual([]);
  await database.sql`truncate actcore.runs`;
  await look(17);
  await look(19);
  const [overdue, ...others] = await told();
  expect(others).toEqual([]);
  const { silent_since } = (overdue?.payload ?? {}) as { silent_since: string };
  expect(Math.abs(Date.parse(silent_since) - minutesLater(8).getTime())).toBeLessThan(5_000);
});

describe("counting begins anew", () => {
  test("when the definition is enabled again; while it is disabled nobody looks", async () => {
    const { id } = await watch();
    await change(id, { enabled: false });
    await look(300);
    expect(await watched()).toBe(0);
    await change(id, { enabled: true });
    await look(9);
    expect(await told()).toEqual([]);
    await look(11);
    expect(await types()).toEqual(["overdue"]);
  });

  test("when the time is changed, and not when something else is", async () => {
    const { id } = await watch();
    await look(11);
    await change(id, { timeout: "5s" });
    const [overdue] = await database.sql`select overdue_since from actcore.expectations`;
    expect(overdue?.overdue_since).not.toBeNull();
    await change(id, { expect: { success_within: "20m" } });
    await look(19);
    expect(await types()).toEqual(["overdue"]);
    await look(21);
    expect(await types()).toEqual(["overdue", "overdue"]);
  });

  test("when the engine's schedule is seen paused", async () => {
    await watch({ trigger_config: NIGHTLY, expect: { success_within: "25h" } });
    await look(26 * 60, async () => true);
    await look(50 * 60);
    expect(await told()).toEqual([]);
    await look(52 * 60);
    expect(await types()).toEqual(["overdue"]);
  });
});

test("nobody looks at a definition that is deleted, or whose expectation is taken back", async () => {
  const { id } = await watch();
  await createDefinitionStore(database.db).remove(id, BY_TEST);
  const other = await watch();
  await change(other.id, { expect: undefined });
  await look(300);
  expect(await told()).toEqual([]);
  expect(await watched()).toBe(0);
});

test("what an outage held up is waited for as long as the reconciler did not account for it", async () => {
  const { id } = await watch({ trigger_config: NIGHTLY, expect: { success_within: "25h" } });
  // Away for two days, and back a minute ago.
  const at = (hours: number) => minutesLater(hours * 60).toISOString();
  await database.sql`insert into actcore.due_watch ("only", round_ended_at, away_from, away_until)
    values (true, ${at(49 + 1 / 60)}, ${at(1)}, ${at(49)})`;
  await look(49 * 60 + 1);
  expect(await told()).toEqual([]);
  await database.sql`update actcore.due_progress set settled_until = ${at(49)} where definition_id = ${id}`;
  await database.sql`update actcore.expectations set look_at = now()`;
  await look(49 * 60 + 1);
  expect(await types()).toEqual(["overdue"]);
});

test("an engine that does not answer keeps nobody else from being looked at", async () => {
  await watch({ trigger_config: NIGHTLY, expect: { success_within: "24h" } });
  const { id } = await watch();
  await look(24 * 60 + 1, async () => {
    throw new RetryableError("temporal_unavailable", "away");
  });
  expect((await told()).map(({ subject }) => subject)).toEqual([id]);
});

test("a recovery that an own event led to is one deeper than that event", async () => {
  const { id } = await watch();
  await look(11);
  const row = Bun.randomUUIDv7();
  await database.sql`insert into actcore.event_keys (event_id, row_id) values ('own', ${row})`;
  await database.sql`insert into actcore.events (row_id, event_id, outcome, source, trace_id, payload)
    values (${row}, 'own', 'dispatched', 'actcore', 't', '{"depth": 7}')`;
  await succeed(id, 12, "own");
  await look(13);
  expect((await told())[1]?.payload).toMatchObject({ depth: 8 });
});

test("the ledger says how many are overdue, and when the next one is to be looked at", async () => {
  const { sum } = createExpectationLedger(database);
  expect(await sum()).toEqual({ overdue: 0, next_look_at: null });
  await watch();
  await look(11);
  await watch();
  const { overdue, next_look_at } = await sum();
  expect(overdue).toBe(1);
  expect(Math.abs((next_look_at as Date).getTime() - minutesLater(10).getTime())).toBeLessThan(5_000);
});

test("a reader sees how each definition stands, and null where nothing is watched", async () => {
  const api = createTestApi(database);
  const plain = await api.createDefinition();
  expect(plain.expectation).toBeNull();
  const made = await watch();
  const path = definitionPath(made.id);
  const run = await succeed(made.id, 2);
  const { body } = await api.get(path);
  expect(body.expectation).toMatchObject({ success_within: "10m", counts_from: made.created_at, overdue_since: null });
  const [row] = await database.sql`select finished_at from actcore.runs where run_id = ${run}`;
  expect(body.expectation.last_success_at).toBe(new Date(row?.finished_at).toISOString());
  expect(Date.parse(body.expectation.due_by)).toBe(Date.parse(body.expectation.last_success_at) + 10 * MINUTE_MS);
  await look(13);
  const overdue = (await api.get(path)).body;
  expect(overdue.expectation.overdue_since).toBe(body.expectation.due_by);
  expect((await api.get(`/activity-definitions?name=${made.name}`)).body).toEqual([overdue]);
  // Sent back as it was read, however it stands by now, it changes nothing.
  await look(300);
  expect(await api.send("PUT", path, body)).toMatchObject({ status: 200, body: overdue });
});
