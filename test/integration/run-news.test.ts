/** The ends of runs as own events, written by the statements that close them, on a real Postgres. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { makeOwnEvent } from "../../src/event/own-event.ts";
import { inTransaction, openPostgres } from "../../src/postgres/client.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { insertOwnEvents } from "../../src/postgres/event/own-event-outbox.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import type { RunClose } from "../../src/run/run.ts";
import { plainRound } from "../../src/run/task-instance.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import {
  activityOf,
  claim,
  disable,
  envelopeOf,
  logTask,
  matchedEvent,
  recordEvent,
  runOf,
  storeDefinition,
} from "../support/ledger.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const TELLS = { publish_outcome: true };

/** What the outbox has about a run. */
async function newsOf(run_id: string) {
  const { sql } = database;
  return sql<{ type: string; payload: Record<string, unknown>; cut_reason: string | null }[]>`
    select type, payload, cut_reason from actcore.own_events where subject = ${run_id} order by created_at`;
}

async function closedRun(written: object, close: Partial<RunClose> = {}, db = database.db) {
  const definition = await storeDefinition(database, { ...written });
  const { run_id } = await claim(database, definition.id, { n: 1 });
  const ledger = createRunLedger(db);
  await ledger.close({ run_id, failures: [], ...close });
  await ledger.close({ run_id, failures: [], ...close });
  return { definition, run_id };
}

test("each end of a run is told once, with what a reader of the run would see", async () => {
  const failed = { interruption: { status: "failed", reason: "timeout", message: "no end within 5 s" } } as const;
  const { definition, run_id } = await closedRun(TELLS, failed);
  const [news, ...more] = await newsOf(run_id);
  expect(more).toEqual([]);
  expect(news).toMatchObject({
    type: "actcore.run.failed",
    cut_reason: null,
    payload: {
      ...{ run_id, activity_id: definition.id, activity_name: definition.name, trigger: "manual", status: "failed" },
      ...{ reason: "timeout", error: "no end within 5 s", version: 1, depth: 1, chain: [run_id] },
      finished_at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/),
    },
  });
  const read = await createLedgerReader(database.db).findRun(run_id);
  const event_id = `actcore.run.failed:${run_id}:0`;
  expect(read?.outcome_event).toEqual({ event_id, published_at: null, cut_reason: null });
});

test("without publish_outcome a run is told of where the server's setting says so, and false wins over the setting", async () => {
  const telling = openPostgres(database.url, "test", 1, true);
  const typesOf = async (...run: Parameters<typeof closedRun>) =>
    (await newsOf((await closedRun(...run)).run_id)).map(({ type }) => type);
  expect(await typesOf({})).toEqual([]);
  expect(await typesOf({}, {}, telling.db)).toEqual(["actcore.run.succeeded"]);
  expect(await typesOf({ publish_outcome: false }, {}, telling.db)).toEqual([]);
  const listens = { trigger_config: { trigger_type: "event", event_type: "actcore.run.*" } };
  expect(await typesOf(listens, {}, telling.db)).toEqual([]);
  await telling.close();
});

test("a run that is cancelled, skipped by its claim, by its condition or as a shadow, or lost, is told of too", async () => {
  const cancelled = await closedRun(TELLS, { interruption: { status: "cancelled" } });
  expect(await newsOf(cancelled.run_id)).toMatchObject([{ type: "actcore.run.cancelled" }]);

  const disabled = await storeDefinition(database, TELLS);
  const event_id = crypto.randomUUID();
  const refused = await recordEvent(database, disabled, event_id);
  await disable(database, disabled);
  await database.sql`update actcore.definitions set publish_outcome = true where id = ${disabled.id}`;
  await claim(database, disabled.id, { event_id });
  expect(await newsOf(refused)).toMatchObject([{ type: "actcore.run.skipped", payload: { reason: "disabled" } }]);

  const runs = createRunLedger(database.db);
  const conditional = await storeDefinition(database, TELLS);
  const { run_id: skipped } = await claim(database, conditional.id, { n: 1 });
  await runs.skip(skipped, "run.version > 1 is false", []);
  expect(await newsOf(skipped)).toMatchObject([
    { payload: { reason: "condition", detail: "run.version > 1 is false" } },
  ]);

  const shadow = await storeDefinition(database, { ...TELLS, shadow: true, task_templates: [logTask("a")] });
  const { run_id: shown } = await claim(database, shadow.id, { n: 1 });
  await runs.recordShadow(shown, plainRound(runOf(shown), activityOf(shadow)));
  expect(await newsOf(shown)).toMatchObject([{ type: "actcore.run.skipped", payload: { reason: "shadow" } }]);

  const owed = await storeDefinition(database, TELLS);
  const lost = await recordEvent(database, owed, crypto.randomUUID());
  const [run] = (await createUnfinishedLedger(database).listUnclaimed(new Date(Date.now() + 60_000), 100)).filter(
    ({ run_id }) => run_id === lost,
  );
  if (run === undefined) throw new Error("the run is not listed");
  await createUnfinishedLedger(database).recordLost(run, "workflow_failed");
  expect(await newsOf(lost)).toMatchObject([{ type: "actcore.run.failed", payload: { reason: "workflow_failed" } }]);
});

test("a chain of own events names its runs, and its sixteenth event is kept with the reason and not published", async () => {
  const definition = await storeDefinition(database, TELLS);
  const ledger = createEventLedger(database.db);
  const chain: string[] = [];
  let event_id: string = crypto.randomUUID();
  for (let depth = 1; depth <= 16; depth++) {
    const { id: activity_id, name: activity_name } = definition;
    await ledger.record([matchedEvent(envelopeOf(event_id), { activity_id, activity_name, outcome: "run" })]);
    const { run_id } = await claim(database, definition.id, { event_id });
    await createRunLedger(database.db).close({ run_id, failures: [] });
    chain.push(run_id);
    const [news] = await newsOf(run_id);
    expect(news).toMatchObject({ payload: { depth, chain }, cut_reason: depth < 16 ? null : "chain_too_long" });
    event_id = `actcore.run.succeeded:${run_id}:0`;
  }
});

test("the chain of a run whose events were gathered goes on from the longest one of these", async () => {
  const definition = await storeDefinition(database, TELLS);
  const { run_id } = await claim(database, definition.id);
  const window_id = crypto.randomUUID();
  const gathered = [7, 3, null].map((depth, n) => ({ depth, event_id: `${window_id}-${n}` }));
  for (const [n, { depth, event_id }] of gathered.entries()) {
    const member = { window_id, position: n + 1, row_id: crypto.randomUUID(), event_id, bytes: 2 };
    await database.sql`insert into actcore.flow_members ${database.sql(member)}`;
    if (depth === null) continue;
    const own = { event_id, type: "actcore.x", payload: "{}", depth, chain: JSON.stringify([event_id]) };
    await database.sql`insert into actcore.own_events ${database.sql(own)}`;
  }
  const last = gathered.at(-1)?.event_id ?? "";
  await database.sql`update actcore.runs set window_id = ${window_id}, event_id = ${last} where run_id = ${run_id}`;
  await createRunLedger(database.db).close({ run_id, failures: [] });
  const chain = [gathered[0]?.event_id, run_id];
  expect(await newsOf(run_id)).toMatchObject([{ payload: { depth: 8, chain } }]);
});

test("an own event whose payload has characters that Postgres cannot read leads to runs that close all the same", async () => {
  const definition = await storeDefinition(database, TELLS);
  const occasion = crypto.randomUUID();
  const own = makeOwnEvent({
    type: "actcore.x",
    subject: "t",
    occasion,
    cause: null,
    payload: { title: "\u0000\ud800" },
  });
  await inTransaction(database.db, (tx) => insertOwnEvents(tx, [own]));
  const run_id = await recordEvent(database, definition, own.event_id);
  await claim(database, definition.id, { event_id: own.event_id });
  expect(await createRunLedger(database.db).close({ run_id, failures: [] })).toMatchObject({ status: "succeeded" });
  expect(await newsOf(run_id)).toMatchObject([{ payload: { depth: 2, chain: [run_id] } }]);
});
