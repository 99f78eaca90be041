import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createDefinitionStore } from "../../src/postgres/definitions.ts";
import { createEventLedger } from "../../src/postgres/events.ts";
import { createLedgerReader } from "../../src/postgres/ledger-reader.ts";
import type { EventEnvelope } from "../../src/trigger/event.ts";
import type { EventLedger, MatchedEvent } from "../../src/trigger/ledger.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { bodyOf, envelopeOf } from "../support/ledger.ts";

const ACTIVITY = { activity_id: crypto.randomUUID(), activity_name: "mail" };
let database: TestDatabase;
let ledger: EventLedger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createEventLedger(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const find = (id: string) => createLedgerReader(database.db).findEvent(id);

/** An event that reached an activity with this outcome, or none. */
function matched(envelope: EventEnvelope, outcome?: "run" | "filtered", activity = ACTIVITY): MatchedEvent {
  const trigger = { trigger_type: "event", event_type: "x" } as const;
  const reason = outcome === "filtered" ? { reason: "payload.a differs from the filter" } : {};
  return { envelope, matches: outcome ? [{ subscription: { ...activity, trigger }, outcome, ...reason }] : [] };
}

describe("an event", () => {
  test("that owes a run is received with its occurrence, and dispatched once that is noted", async () => {
    const dispatches = [{ ...ACTIVITY, event_id: "owes" }];
    expect(await ledger.record([matched(envelopeOf("owes"), "run")])).toEqual([
      { event_id: "owes", outcome: "received", dispatches },
    ]);
    const [occurrence] = await database.sql`select * from actcore.occurrences where event_id = 'owes'`;
    expect(occurrence).toMatchObject({
      kind: "event",
      key: "owes",
      activity_id: ACTIVITY.activity_id,
      claimed_by: null,
    });
    expect(await find("owes")).toMatchObject({
      outcome: "received",
      activities: [{ ...ACTIVITY, outcome: "run", run_id: occurrence?.run_id }],
    });
    await ledger.markDispatched(["owes"]);
    expect(await find("owes")).toMatchObject({ outcome: "dispatched" });
  });

  test.each([undefined, "filtered"] as const)("that owes none (%p) is unmatched, with the reason", async (outcome) => {
    const id = `none-${outcome}`;
    expect(await ledger.record([matched(envelopeOf(id), outcome)])).toEqual([
      { event_id: id, outcome: "unmatched", dispatches: [] },
    ]);
    const reached = outcome ? [{ outcome, reason: "payload.a differs from the filter", run_id: null }] : [];
    expect(await find(id)).toMatchObject({ outcome: "unmatched", activities: reached });
  });

  test("that comes again keeps what was recorded first, and owes the same until it is dispatched", async () => {
    const first = await ledger.record([matched(envelopeOf("again"), "run")]);
    const other = { activity_id: crypto.randomUUID(), activity_name: "later" };
    expect(await ledger.record([matched(envelopeOf("again", { payload: 2 }), "run", other)])).toEqual(first);
    expect(await find("again")).toMatchObject({ payload: {}, activities: [ACTIVITY] });
    await ledger.markDispatched(["again"]);
    expect(await ledger.record([matched(envelopeOf("again"), "run", other)])).toEqual([
      { event_id: "again", outcome: "dispatched", dispatches: [] },
    ]);
  });

  test.each<[what: string, payload: unknown]>([
    ["U+0000", { text: "a\u0000b" }],
    ["half of a surrogate pair", "\ud800"],
    ["null", null],
    ["a number that no double holds", { n: 1e308 }],
  ])("keeps %s in its payload", async (what, payload) => {
    await ledger.record([matched(envelopeOf(what, { payload }))]);
    expect((await find(what))?.payload).toEqual(payload);
  });

  test("that names no trace gets one, the same at each delivery", async () => {
    await ledger.record([matched(envelopeOf("trace-own", { trace_id: "mine" })), matched(envelopeOf("trace-none"))]);
    expect(await find("trace-own")).toMatchObject({ trace_id: "mine" });
    expect(await find("trace-none")).toMatchObject({ trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) });
  });
});

test("two routers with overlapping groups in opposite order neither wait for ever nor record twice", async () => {
  const other = await Promise.resolve(createEventLedger(database.db));
  for (let round = 0; round < 20; round++) {
    const group = Array.from({ length: 50 }, (_, n) => matched(envelopeOf(`r${round}-${n}`), "run"));
    const [a, b] = await Promise.all([ledger.record(group), other.record(group.toReversed())]);
    expect(a.length + b.length).toBe(100);
    expect([...a, ...b].every(({ outcome, dispatches }) => outcome === "received" && dispatches.length === 1)).toBe(
      true,
    );
  }
  const [row] = await database.sql`select count(*)::int as n from actcore.occurrences where event_id ~ '^r[0-9]+-'`;
  expect(row?.n).toBe(1000);
});

test("a dead letter is kept with its raw bytes and reason, once", async () => {
  const raw = new Uint8Array([0, 255, 123]);
  const letter = { event_id: "dead", reason: "not_json", detail: "at \u0000", subject: "activity.x", raw } as const;
  await ledger.recordDeadLetter(letter);
  await ledger.recordDeadLetter({ ...letter, reason: "too_large" });
  expect(await find("dead")).toMatchObject({
    outcome: "dead_lettered",
    reason: "not_json",
    detail: "at \\u0000",
    raw_base64: Buffer.from(raw).toString("base64"),
    activities: [],
  });
});

test("only enabled, live event definitions are subscriptions", async () => {
  const store = createDefinitionStore(database.db);
  const live = await store.create(bodyOf("live"), "rest");
  await store.create(bodyOf("disabled", { enabled: false }), "rest");
  const cron = { trigger_type: "cron", cron_expression: "* * * * *" };
  await store.create(bodyOf("cron", { trigger_config: cron }), "rest");
  const deleted = await store.create(bodyOf("deleted"), "rest");
  await database.sql`update actcore.definitions set deleted_at = now() where id = ${deleted.id}`;
  expect(await ledger.listSubscriptions()).toEqual([
    { activity_id: live.id, activity_name: "live", trigger: { trigger_type: "event", event_type: "live" } },
  ]);
});
