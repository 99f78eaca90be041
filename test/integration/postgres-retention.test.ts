/** What retention removes and what it keeps. Rows get old by their id, which begins with their time. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { firstUuidAt } from "../../src/kernel/stable-id.ts";
import { sweep } from "../../src/maintenance/retention.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createSweeper } from "../../src/postgres/maintenance/sweeper.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { envelopeOf, matchedEvent } from "../support/ledger.ts";

const DAY_MS = 86_400_000;
const NOW = new Date("2026-06-30T00:00:00Z");
const RETENTION = {
  eventRetentionMs: 30 * DAY_MS,
  runRetentionMs: 90 * DAY_MS,
  keyRetentionMs: 400 * DAY_MS,
  auditRetentionMs: 400 * DAY_MS,
};
const TABLES = [
  "task_outputs",
  "tasks",
  "runs",
  "event_outcomes",
  "events",
  "occurrences",
  "event_keys",
  "audit_log",
] as const;
const ACTIVITY = crypto.randomUUID();

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  await database.sql.unsafe(`truncate ${TABLES.map((table) => `actcore.${table}`).join(", ")}`);
});
afterAll(() => database?.close());

interface Story {
  outcome?: string;
  claimed?: boolean;
  /** Whether the run is closed; its task is done in any case. */
  closed?: boolean;
}

let made = 0;

/** One event with its run and all that belongs to them, so many days old; answers the id that they share. */
async function tell(days: number, { outcome = "dispatched", claimed = true, closed = true }: Story = {}) {
  const id = firstUuidAt(new Date(NOW.getTime() - days * DAY_MS)).slice(0, 24) + String(++made).padStart(12, "0");
  const { sql } = database;
  const finished_at = closed ? NOW.toISOString() : null;
  await sql`insert into actcore.event_keys (event_id, row_id) values (${id}, ${id})`;
  await sql`insert into actcore.events (row_id, event_id, outcome, trace_id) values (${id}, ${id}, ${outcome}, 't')`;
  await sql`insert into actcore.event_outcomes (row_id, activity_id, activity_name, outcome, run_id)
    values (${id}, ${ACTIVITY}, 'a', 'run', ${id})`;
  await sql`insert into actcore.occurrences (activity_id, kind, key, run_id, event_id, claimed_by)
    values (${ACTIVITY}, 'event', ${id}, ${id}, ${id}, ${claimed ? "w" : null})`;
  if (claimed) {
    await sql`insert into actcore.runs (run_id, activity_id, activity_name, trigger, status, event_id, trace_id, workflow_id, version_used, finished_at)
      values (${id}, ${ACTIVITY}, 'a', 'event', ${closed ? "succeeded" : "running"}, ${id}, 't', 'w', 1, ${finished_at})`;
    await sql`insert into actcore.tasks (task_id, run_id, activity_id, key, type, status, params, policy, finished_at)
      values (${id}, ${id}, ${ACTIVITY}, 'k', 'log', 'failed', '{}', '{}', now())`;
    await sql`insert into actcore.task_outputs (task_id, attempt, text, bytes) values (${id}, 1, 'end', 3)`;
  }
  await sql`insert into actcore.audit_log (entry_id, actor, action, subject) values (${id}, 'a', 'trigger', ${`run:${id}`})`;
  return id;
}

const sweepNow = (batch?: number) =>
  sweep(createSweeper(database.db), RETENTION, NOW, new AbortController().signal, batch);

async function countAll(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of TABLES) {
    const [row] = await database.sql.unsafe(`select count(*)::int as n from actcore.${table}`);
    if (row?.n > 0) counts[table] = row?.n;
  }
  return counts;
}

const WHOLE = {
  task_outputs: 1,
  tasks: 1,
  runs: 1,
  event_outcomes: 1,
  events: 1,
  occurrences: 1,
  event_keys: 1,
  audit_log: 1,
};
const GUARDS = { occurrences: 1, event_keys: 1, audit_log: 1 };
const RUN = { task_outputs: 1, tasks: 1, runs: 1 };
/** What a run reads of its event. */
const EVENT = { event_outcomes: 1, events: 1, event_keys: 1 };

describe("of what is so many days old stays", () => {
  test.each<[days: number, story: Story, kept: Record<string, number>]>([
    [0, {}, WHOLE],
    [29.9, {}, WHOLE],
    [30.1, {}, { ...RUN, ...GUARDS }],
    [89.9, {}, { ...RUN, ...GUARDS }],
    [90.1, {}, GUARDS],
    [399.9, {}, GUARDS],
    [400.1, {}, {}],
    [90.1, { closed: false }, WHOLE],
    [399.9, { closed: false }, WHOLE],
    [400.1, { closed: false }, { ...RUN, ...EVENT, occurrences: 1 }],
    [90.1, { outcome: "received", claimed: false }, { ...EVENT, ...GUARDS }],
    [400.1, { outcome: "received", claimed: false }, { ...EVENT, occurrences: 1 }],
    [400.1, { claimed: false }, { ...EVENT, occurrences: 1 }],
    [30.1, { outcome: "dead_lettered" }, { ...RUN, ...GUARDS }],
    [30.1, { outcome: "unmatched" }, { ...RUN, ...GUARDS }],
  ])("%p days, %j: %j", async (days, story, kept) => {
    await tell(days, story);
    await sweepNow();
    expect(await countAll()).toEqual(kept);
  });
});

test("why due times did not run is kept as long as runs are", async () => {
  const at = (days: number) => new Date(NOW.getTime() - days * DAY_MS).toISOString();
  for (const days of [89.9, 90.1, 200])
    await database.sql`insert into actcore.due_skips (activity_id, first_due, last_due, count, reason, recorded_at)
      values (${ACTIVITY}, ${at(days)}, ${at(days)}, 1, 'missed', ${at(days)})`;
  expect(await sweepNow(1)).toMatchObject({ due_skips: 2 });
});

test("what is old goes in as many batches as it takes, and what is young stays", async () => {
  for (let n = 0; n < 25; n++) await tell(500);
  for (let n = 0; n < 5; n++) await tell(1);
  const swept = await sweepNow(10);
  expect(swept).toMatchObject(Object.fromEntries(TABLES.map((table) => [table, 25])));
  expect(await countAll()).toEqual(Object.fromEntries(TABLES.map((table) => [table, 5])));
  expect(await sweepNow(10)).toMatchObject(Object.fromEntries(TABLES.map((table) => [table, 0])));
});

test("an event stays for the open run that repeats an old one", async () => {
  const id = await tell(100);
  const rerun = firstUuidAt(NOW);
  await database.sql`insert into actcore.runs (run_id, activity_id, activity_name, trigger, status, event_id, trace_id, workflow_id, version_used)
    values (${rerun}, ${ACTIVITY}, 'a', 'rerun', 'running', ${id}, 't', 'w', 1)`;
  await tell(100);
  expect(await sweepNow()).toMatchObject({ runs: 2, events: 1, event_outcomes: 1 });
  await database.sql`update actcore.runs set finished_at = now() where run_id = ${rerun}`;
  expect(await sweepNow()).toMatchObject({ runs: 0, events: 1, event_outcomes: 1 });
});

test("the events of a window stay while it is open, and while a run of it is", async () => {
  const id = await tell(100);
  const window = { activity_id: ACTIVITY, flow_key: "", kind: "debounce", quiet_ms: 1, max_wait_ms: 1, max_events: 9 };
  const row = { ...window, window_id: id, closes_at: NOW.toISOString(), events: 1, bytes: 2 };
  await database.sql`insert into actcore.flow_windows ${database.sql(row)}`;
  await database.sql`insert into actcore.flow_members ${database.sql({ window_id: id, position: 1, row_id: id, event_id: id, bytes: 2 })}`;
  const nothing = { flow_windows: 0, flow_members: 0, events: 0, event_outcomes: 0 };
  expect(await sweepNow()).toMatchObject({ ...nothing, runs: 1 });
  const run_id = firstUuidAt(NOW);
  await database.sql`update actcore.flow_windows set closed_at = now(), run_id = ${run_id}`;
  await database.sql`insert into actcore.runs (run_id, activity_id, activity_name, trigger, status, trace_id, workflow_id, version_used, window_id)
    values (${run_id}, ${ACTIVITY}, 'a', 'event', 'queued', 't', 'w', 1, ${id})`;
  expect(await sweepNow()).toMatchObject(nothing);
  await database.sql`update actcore.runs set finished_at = now()`;
  expect(await sweepNow()).toMatchObject({ flow_windows: 1, flow_members: 1, events: 1, event_outcomes: 1 });
});

test("a dedupe key goes when its window is over, and one without a window as keys do", async () => {
  const at = (days: number) => new Date(NOW.getTime() - days * DAY_MS).toISOString();
  for (const [key, accepted_at, expires_at] of [
    ["over", at(1), at(0)],
    ["counts", at(401), new Date(Date.now() + DAY_MS).toISOString()],
    ["old", at(401), "infinity"],
    ["young", at(399), "infinity"],
  ] as const)
    await database.sql`insert into actcore.dedupe_keys (activity_id, key, event_id, accepted_at, expires_at)
      values (${ACTIVITY}, ${key}, 'e', ${accepted_at}, ${expires_at})`;
  expect(await sweepNow(1)).toMatchObject({ dedupe_keys: 2 });
  const left = await database.sql`select key from actcore.dedupe_keys order by key`;
  expect(left.map(({ key }) => key)).toEqual(["counts", "young"]);
});

test("old rows that have to stay hold up none behind them", async () => {
  for (let n = 0; n < 15; n++) await tell(200, { closed: false });
  for (let n = 0; n < 15; n++) await tell(100);
  const swept = await sweepNow(10);
  expect(swept).toMatchObject({ runs: 15, tasks: 15 });
  expect(await countAll()).toMatchObject({ runs: 15, tasks: 15 });
});

test("a sweep that is stopped ends after its batch", async () => {
  for (let n = 0; n < 25; n++) await tell(500);
  expect(await sweep(createSweeper(database.db), RETENTION, NOW, AbortSignal.abort(), 10)).toMatchObject({ runs: 10 });
});

test("an event whose row was swept is a duplicate for as long as its key stands", async () => {
  const id = await tell(100);
  await sweepNow();
  const run = { activity_id: crypto.randomUUID(), activity_name: "b", outcome: "run" } as const;
  const matched = matchedEvent(envelopeOf(id), run);
  expect(await createEventLedger(database.db).record([matched])).toEqual([
    { event_id: id, outcome: "dispatched", isNew: false, content: null, owed: [] },
  ]);
  expect(await createLedgerReader(database.db).findEvent(id)).toBeUndefined();
  expect(await countAll()).toEqual(GUARDS);
});
