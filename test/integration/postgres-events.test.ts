import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { contentOf } from "../../src/event/content.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import type { DeadLetter, EventLedger, MatchedEvent, RecordedEvent } from "../../src/event/event-ledger.ts";
import type { SubscriptionRow } from "../../src/event/match.ts";
import type { ActivityOutcome } from "../../src/event/outcome.ts";
import type { EventFilter, Page } from "../../src/explain/ledger-reader.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createEventContentReader } from "../../src/postgres/event/event-contents.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";
import { BY_TEST, claim, envelopeOf, matchedEvent, storeDefinition } from "../support/ledger.ts";

const ACTIVITY = { activity_id: crypto.randomUUID() as string, activity_name: "mail" };
let database: TestDatabase;
let ledger: EventLedger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createEventLedger(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const REASONS: { [K in ActivityOutcome]?: string } = {
  filtered: "payload.a is 1, the filter wants 2",
  skipped: "disabled",
};
/** Of the envelopes here that say nothing else. */
const CONTENT = contentOf(envelopeOf(""));
const find = (id: string) => createLedgerReader(database.db).findEvent(id);

/** An event that reached an activity with this outcome, or none. */
function matched(envelope: EventEnvelope, outcome?: ActivityOutcome, activity = ACTIVITY): MatchedEvent {
  const reason = outcome && REASONS[outcome];
  return matchedEvent(envelope, ...(outcome ? [{ ...activity, outcome, ...(reason && { reason }) }] : []));
}

describe("an event", () => {
  test("that owes a run is received with its occurrence, and dispatched once that is noted", async () => {
    const workflow_id = `activity-${ACTIVITY.activity_id}:owes`;
    const owed = [{ ...ACTIVITY, workflow_id, trigger_event: { event_id: "owes" } }];
    expect(await ledger.record([matched(envelopeOf("owes"), "run")])).toEqual([
      {
        event_id: "owes",
        outcome: "received",
        isNew: true,
        content: null,
        matches: [{ ...ACTIVITY, outcome: "run" }],
        owed,
      },
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

  test("whose type no definition waits for is unmatched", async () => {
    const recorded: RecordedEvent = { event_id: "nobody", outcome: "unmatched", isNew: true, content: null, owed: [] };
    expect(await ledger.record([matched(envelopeOf("nobody"))])).toEqual([{ ...recorded, matches: [] }]);
    expect(await find("nobody")).toMatchObject({ outcome: "unmatched", activities: [] });
    expect(await ledger.record([matched(envelopeOf("nobody"))])).toEqual([
      { ...recorded, isNew: false, content: CONTENT },
    ]);
  });

  test.each(["filtered", "skipped"] as const)(
    "that an activity took, and does not run (%p), is dispatched, with the reason",
    async (outcome) => {
      const id = `none-${outcome}`;
      const recorded: RecordedEvent = { event_id: id, outcome: "dispatched", isNew: true, content: null, owed: [] };
      const event = matched(envelopeOf(id), outcome);
      expect(await ledger.record([event])).toEqual([{ ...recorded, matches: event.matches }]);
      const activities = [{ outcome, reason: REASONS[outcome] as string, run_id: null }];
      expect(await find(id)).toMatchObject({ outcome: "dispatched", activities });
      expect(await ledger.record([matched(envelopeOf(id), outcome)])).toEqual([
        { ...recorded, isNew: false, content: CONTENT },
      ]);
    },
  );

  test("that comes again keeps what was recorded first, and owes the same until it is dispatched", async () => {
    const first = await ledger.record([matched(envelopeOf("again"), "run")]);
    const other = { activity_id: crypto.randomUUID(), activity_name: "later" };
    expect(await ledger.record([matched(envelopeOf("again", { payload: 2 }), "run", other)])).toEqual(
      first.map(({ matches: _, ...event }) => ({ ...event, isNew: false, content: CONTENT })),
    );
    expect(await find("again")).toMatchObject({ payload: {}, activities: [ACTIVITY] });
    await ledger.markDispatched(["again"]);
    expect(await ledger.record([matched(envelopeOf("again"), "run", other)])).toEqual([
      { event_id: "again", outcome: "dispatched", isNew: false, content: CONTENT, owed: [] },
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
    expect([...a, ...b].every(({ outcome, owed }) => outcome === "received" && owed.length === 1)).toBe(true);
  }
  const [row] = await database.sql`select count(*)::int as n from actcore.occurrences where event_id ~ '^r[0-9]+-'`;
  expect(row?.n).toBe(1000);
});

describe("an event whose id a foreign start has taken", () => {
  /** A workflow that somebody started with the whole envelope, and the stream's copy of it. */
  async function taken() {
    const { id, name } = await storeDefinition(database);
    const envelope = envelopeOf(`f-${crypto.randomUUID()}`);
    const foreign = await claim(database, id, envelope);
    return { envelope, foreign, activity: { activity_id: id, activity_name: name } };
  }

  test("is taken over by the stream's copy, which runs what the start did not reach", async () => {
    const { envelope, foreign, activity } = await taken();
    const { event_id } = envelope;
    expect(await find(event_id)).toMatchObject({ outcome: "dispatched", activities: [{ run_id: foreign.run_id }] });
    const reached = [...matched(envelope, "run").matches, ...matched(envelope, "run", activity).matches];
    const [recorded, ...others] = await ledger.record([matchedEvent(envelope, ...reached)]);
    expect(recorded).toMatchObject({ outcome: "received" });
    expect(recorded?.owed).toEqual([expect.objectContaining(ACTIVITY)]);
    expect(others).toEqual([]);
    const event = await find(event_id);
    expect(event).toMatchObject({ outcome: "received" });
    expect(event?.activities.map(({ activity_id }) => activity_id).sort()).toEqual(
      [ACTIVITY.activity_id, activity.activity_id].sort(),
    );
    expect(event?.activities).toContainEqual({ ...activity, outcome: "run", reason: null, run_id: foreign.run_id });
    const listed = await createLedgerReader(database.db).listEvents({ type: "x" }, { limit: 1 });
    expect(listed.map((event) => [event.event_id, event.outcome])).toEqual([[event_id, "received"]]);
    expect(await ledger.record([matchedEvent(envelope)])).toEqual([recorded as RecordedEvent]);
  });

  test.each([
    ["type", { type: "other" }],
    ["source", { source: "other" }],
    ["subject", { subject: "other" }],
    ["payload", { payload: { v: "published" } }],
  ])("is not the stream's event where the %s differs: nothing is recorded, and the run reads on", async (_, fields) => {
    const { envelope, foreign } = await taken();
    const { event_id } = envelope;
    const before = await find(event_id);
    const other = { ...envelope, ...fields };
    const refused = { event_id, outcome: "dispatched" as const, isNew: false, content: contentOf(envelope), owed: [] };
    expect(await ledger.record([matched(other, "run")])).toEqual([refused]);
    const raw = new TextEncoder().encode(JSON.stringify(other));
    const letter = { event_id, reason: "schema_mismatch", detail: "d", subject: "s", raw, envelope: other } as const;
    expect(await ledger.recordDeadLetters([letter])).toEqual(new Set());
    expect(await find(event_id)).toEqual(before);
    expect(before).toMatchObject({ outcome: "dispatched", activities: [{ run_id: foreign.run_id }] });
    const [row] = await database.sql`select count(*)::int as n from actcore.occurrences where key = ${event_id}`;
    expect(row?.n).toBe(1);
    // The event itself may still come.
    expect(await ledger.record([matched(envelope, "run")])).toMatchObject([{ outcome: "received", owed: [ACTIVITY] }]);
  });

  test("is recorded beside new ones of the same group, and beside one that differs", async () => {
    const [{ envelope }, { envelope: differing }] = [await taken(), await taken()];
    const fresh = envelopeOf(`n-${crypto.randomUUID()}`);
    const group = [envelope, { ...differing, payload: { v: "published" } }, fresh];
    const recorded = await ledger.record(group.map((each) => matched(each, "run")));
    const byId = new Map(recorded.map((each) => [each.event_id, each]));
    expect(recorded).toHaveLength(3);
    expect(byId.get(envelope.event_id)).toMatchObject({ outcome: "received", owed: [ACTIVITY] });
    expect(byId.get(fresh.event_id)).toMatchObject({ outcome: "received", isNew: true, owed: [ACTIVITY] });
    expect(byId.get(differing.event_id)).toMatchObject({ outcome: "dispatched", owed: [] });
  });

  test.each([
    ["that only another start brought", async () => {}],
    ["that was recorded", async (envelope: EventEnvelope) => void (await ledger.record([matched(envelope)]))],
  ])("is refused to a start whose envelope says something else than the one %s", async (_, recordFirst) => {
    const { envelope, activity } = await taken();
    await recordFirst(envelope);
    const before = await find(envelope.event_id);
    const { id } = await storeDefinition(database);
    const other = { ...envelope, payload: { v: "other" } };
    for (const activityId of [id, activity.activity_id])
      expect(await claim(database, activityId, other).catch((error) => error)).toMatchObject({
        code: "event_differs",
        message: expect.stringContaining("differs in payload from"),
      });
    expect(await find(envelope.event_id)).toEqual(before);
    expect(await claim(database, id, envelope)).toMatchObject({ outcome: "claimed" });
  });

  test("whose row was swept is recorded by the stream's copy", async () => {
    const { envelope } = await taken();
    const { event_id } = envelope;
    await database.sql`delete from actcore.events where event_id = ${event_id}`;
    const [recorded] = await ledger.record([matched({ ...envelope, payload: { v: 2 } }, "run")]);
    expect(recorded).toMatchObject({ outcome: "received", owed: [ACTIVITY] });
    expect(await find(event_id)).toMatchObject({ outcome: "received", payload: { v: 2 }, activities: [ACTIVITY] });
  });

  test("in the same moment is taken over all the same", async () => {
    const { id } = await storeDefinition(database);
    const envelope = envelopeOf(`f-${crypto.randomUUID()}`, { payload: { v: "foreign" } });
    let recording: Promise<RecordedEvent[]> | undefined;
    await database.db.transaction(async (tx) => {
      await claim({ ...database, db: tx as unknown as TestDatabase["db"] }, id, envelope);
      recording = ledger.record([matched(envelope, "run")]);
      await eventually("the router waits for the key", async () => {
        const [row] = await database.sql`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' limit 1`;
        return row !== undefined;
      });
    });
    expect(await recording).toMatchObject([{ outcome: "received", owed: [ACTIVITY] }]);
    expect(await find(envelope.event_id)).toMatchObject({ outcome: "received", payload: { v: "foreign" } });
  });

  test("reaches an activity that somebody starts with it in the moment of the takeover as that run", async () => {
    const { envelope } = await taken();
    const { id, name } = await storeDefinition(database);
    let recording: Promise<RecordedEvent[]> | undefined;
    const { run_id } = await database.db.transaction(async (tx) => {
      const claimed = await claim({ ...database, db: tx as unknown as TestDatabase["db"] }, id, envelope);
      recording = ledger.record([matched(envelope, "run", { activity_id: id, activity_name: name })]);
      await eventually("the router waits for the occurrence", async () => {
        const [row] = await database.sql`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' limit 1`;
        return row !== undefined;
      });
      return claimed;
    });
    expect(await recording).toMatchObject([{ outcome: "received", owed: [] }]);
    const activities = (await find(envelope.event_id))?.activities;
    expect(activities).toContainEqual(expect.objectContaining({ activity_id: id, outcome: "run", run_id }));
  });

  test("is taken over by a dead letter of the stream's copy, once", async () => {
    const { envelope } = await taken();
    const { event_id } = envelope;
    const raw = new TextEncoder().encode(JSON.stringify(envelope));
    const letter = { event_id, reason: "schema_mismatch", detail: "d", subject: "s", raw, envelope } as const;
    expect(await ledger.recordDeadLetters([letter])).toEqual(new Set([letter.event_id]));
    expect(await ledger.recordDeadLetters([letter])).toEqual(new Set());
    const { type, payload } = envelope;
    expect(await find(event_id)).toMatchObject({ outcome: "dead_lettered", reason: "schema_mismatch", type, payload });
    // Its subject is the stream's, and says nothing of the event's.
    const { subject: _, ...content } = contentOf(envelope);
    expect(await ledger.record([matched(envelope, "run")])).toEqual([
      { event_id, outcome: "dead_lettered", isNew: false, content, owed: [] },
    ]);
  });

  test("is taken over once: a second copy is known", async () => {
    const { envelope } = await taken();
    const first = await ledger.record([matched(envelope, "run")]);
    expect(await ledger.record([matched(envelope)])).toEqual(first);
    await ledger.markDispatched([envelope.event_id]);
    expect(await ledger.record([matched(envelope, "run")])).toMatchObject([{ outcome: "dispatched", owed: [] }]);
  });

  test("is taken over by one of two routers that have it at once", async () => {
    const { envelope } = await taken();
    const copies = await Promise.all(Array.from({ length: 4 }, () => ledger.record([matched(envelope, "run")])));
    expect(copies.map(([copy]) => copy)).toEqual(copies.map(() => copies[0]?.[0]));
    const [row] =
      await database.sql`select count(*)::int as n from actcore.events where event_id = ${envelope.event_id}`;
    expect(row?.n).toBe(1);
  });

  test("reaches an activity that somebody started with the id alone as that run", async () => {
    const { envelope } = await taken();
    const { event_id } = envelope;
    const { id, name } = await storeDefinition(database);
    const { run_id } = await claim(database, id, { event_id });
    await ledger.record([matched(envelope, "run", { activity_id: id, activity_name: name })]);
    expect((await find(event_id))?.activities).toContainEqual(expect.objectContaining({ activity_id: id, run_id }));
  });
});

test("an event whose key was swept, and whose occurrence stands, names the run that has it", async () => {
  const { id, name } = await storeDefinition(database);
  const activity = { activity_id: id, activity_name: name };
  await ledger.record([matched(envelopeOf("stands"), "run", activity)]);
  const { run_id } = await claim(database, id, { event_id: "stands" });
  for (const table of ["events", "event_keys"])
    await database.sql`delete from actcore.${database.sql(table)} where event_id = 'stands'`;
  await ledger.record([matched(envelopeOf("stands"), "run", activity)]);
  expect(await find("stands")).toMatchObject({ outcome: "received", activities: [{ ...activity, run_id }] });
});

test("an event of which only the key is left is settled: it owes nothing, and nothing is recorded anew", async () => {
  await ledger.record([matched(envelopeOf("swept"), "run")]);
  await ledger.markDispatched(["swept"]);
  await database.sql`delete from actcore.event_outcomes where row_id in (select row_id from actcore.events where event_id = 'swept')`;
  await database.sql`delete from actcore.events where event_id = 'swept'`;
  expect(await ledger.record([matched(envelopeOf("swept"), "run")])).toEqual([
    { event_id: "swept", outcome: "dispatched", isNew: false, content: null, owed: [] },
  ]);
  expect(await find("swept")).toBeUndefined();
});

describe("a list of events", () => {
  const type = `listed-${crypto.randomUUID()}`;
  const idsOf = async (filter: EventFilter, page: Page) =>
    (await createLedgerReader(database.db).listEvents({ type, ...filter }, page)).map(({ event_id }) => event_id);
  let since: Date;
  beforeAll(async () => {
    await ledger.record([matched(envelopeOf("l1", { type })), matched(envelopeOf("l2", { type }), "run")]);
    await Bun.sleep(2); // the next id begins in another millisecond
    since = new Date();
    await ledger.record([matched(envelopeOf("l3", { type })), matched(envelopeOf("l4", { type }), "run")]);
    await ledger.markDispatched(["l4"]);
  });

  test.each<[what: string, filter: () => EventFilter, ids: string[]]>([
    ["type", () => ({}), ["l4", "l3", "l2", "l1"]],
    ["another type", () => ({ type: "nobody" }), []],
    ["unmatched", () => ({ outcome: "unmatched" }), ["l3", "l1"]],
    ["received", () => ({ outcome: "received" }), ["l2"]],
    ["dispatched", () => ({ outcome: "dispatched" }), ["l4"]],
    ["dead_lettered", () => ({ outcome: "dead_lettered" }), []],
    ["since", () => ({ since }), ["l4", "l3"]],
    ["since and outcome", () => ({ since, outcome: "unmatched" }), ["l3"]],
  ])("by %s, newest first", async (_, filter, ids) => {
    expect(await idsOf(filter(), { limit: 10 })).toEqual(ids);
  });

  test("goes on after a row's id", async () => {
    const [, second] = await createLedgerReader(database.db).listEvents({ type }, { limit: 2 });
    expect(await idsOf({}, { limit: 2, after: second?.row_id as string })).toEqual(["l2", "l1"]);
  });
});

describe("a dead letter that carries the id of an event", () => {
  const letterOf = (event_id: string, carried_id: string): DeadLetter => ({
    ...{ event_id, carried_id, reason: "not_an_envelope", detail: "/occurred_at is wrong" },
    ...{ subject: "activity.x", raw: new Uint8Array([123]) },
  });
  const shown = ({ event_id, reason, detail }: DeadLetter) => ({
    ...{ event_id, reason, detail, received_at: expect.any(String) as never },
  });

  test("is found under it as long as no event has it, the newest first", async () => {
    const [first, second] = [letterOf("dead-letter:c1", "lost"), letterOf("dead-letter:c2", "lost")];
    for (const letter of [first, second]) await ledger.recordDeadLetters([letter]);
    expect(await find("lost")).toMatchObject({
      event_id: "dead-letter:c2",
      carried_id: "lost",
      outcome: "dead_lettered",
      detail: "/occurred_at is wrong",
      refused: [shown(first)],
    });
  });

  test("stands beside the event that is recorded under it later", async () => {
    const letter = letterOf("dead-letter:c3", "mended");
    await ledger.recordDeadLetters([letter]);
    expect(await ledger.record([matched(envelopeOf("mended"), "run")])).toMatchObject([
      { isNew: true, outcome: "received", owed: [{}] },
    ]);
    expect(await find("mended")).toMatchObject({
      event_id: "mended",
      carried_id: null,
      outcome: "received",
      refused: [shown(letter)],
    });
    expect(await find("dead-letter:c3")).toMatchObject({ carried_id: "mended", refused: [] });
  });

  test("is kept with what it says where another event has the id, once", async () => {
    await ledger.record([matched(envelopeOf("taken"), "run")]);
    const envelope = envelopeOf("taken", { type: "y", payload: { other: true } });
    const letter = { ...letterOf("dead-letter:c4", "taken"), reason: "event_differs", envelope } as const;
    expect(await ledger.recordDeadLetters([letter])).toEqual(new Set([letter.event_id]));
    expect(await ledger.recordDeadLetters([letter])).toEqual(new Set());
    expect(await find("taken")).toMatchObject({ outcome: "received", payload: {}, refused: [shown(letter)] });
    expect(await find("dead-letter:c4")).toMatchObject({ type: "y", payload: { other: true }, activities: [] });
  });

  test("is one of many, of which the newest are shown", async () => {
    const letters = Array.from({ length: 25 }, (_, n) => letterOf(`dead-letter:m${n}`, "many"));
    expect((await ledger.recordDeadLetters(letters)).size).toBe(25);
    const event = await find("many");
    expect(event?.event_id).toBe("dead-letter:m24");
    expect(event?.refused.map(({ event_id }) => event_id)).toEqual(
      Array.from({ length: 19 }, (_, n) => `dead-letter:m${23 - n}`),
    );
  });
});

test("what was recorded under an id is read back, but not of an id that only a foreign start brought", async () => {
  const { readContents } = createEventContentReader(database.db);
  const envelope = envelopeOf("read", { subject: "s", payload: { text: "a\u0000b" } });
  await ledger.record([matched(envelope)]);
  const foreign = await storeDefinition(database, { name: "reads-contents" });
  await claim(database, foreign.id, envelopeOf("brought"));
  await database.sql`insert into actcore.event_keys (event_id, row_id) values ('kept', ${crypto.randomUUID()})`;
  expect(await readContents(["read", "brought", "kept", "unknown"])).toEqual(
    new Map([
      ["read", contentOf(envelope)],
      ["kept", null],
    ]),
  );
  expect(await readContents([])).toEqual(new Map());
});

test("a dead letter is kept whatever stands in the subject of its message", async () => {
  const [event_id, subject] = ["dead-letter:subject", "activity.a\0b\ud800"];
  const letter: DeadLetter = { event_id, reason: "not_json", detail: "no \0", subject, raw: Buffer.from("x") };
  expect(await ledger.recordDeadLetters([letter])).toEqual(new Set([event_id]));
  expect(await find(event_id)).toMatchObject({ subject: "activity.a\\u0000b\ufffd", detail: "no \\u0000" });
});

test("a dead letter is kept with its raw bytes and reason, once", async () => {
  const raw = new Uint8Array([0, 255, 123]);
  const letter = { event_id: "dead", reason: "not_json", detail: "at \u0000", subject: "activity.x", raw } as const;
  const other = { ...letter, event_id: "dead-other" };
  expect(await ledger.recordDeadLetters([letter])).toEqual(new Set(["dead"]));
  expect(await ledger.recordDeadLetters([{ ...letter, reason: "too_large" }, other])).toEqual(new Set(["dead-other"]));
  expect(await find("dead")).toMatchObject({
    outcome: "dead_lettered",
    reason: "not_json",
    detail: "at \\u0000",
    raw_base64: Buffer.from(raw).toString("base64"),
    activities: [],
  });
});

test("live event definitions are subscriptions, disabled ones too, so that they skip with a reason", async () => {
  const store = createDefinitionStore(database.db);
  const live = await storeDefinition(database, { name: "live" });
  const disabled = await storeDefinition(database, { name: "disabled", enabled: false });
  const cron = { trigger_type: "cron", cron_expression: "* * * * *" };
  await storeDefinition(database, { name: "cron", trigger_config: cron });
  const deleted = await storeDefinition(database, { name: "deleted" });
  await store.remove(deleted.id, BY_TEST);
  const isOurs = ({ name }: SubscriptionRow) => ["live", "disabled", "cron", "deleted"].includes(name);
  const subscriptions = (await ledger.listSubscriptions()).filter(isOurs);
  expect(subscriptions.sort((a, b) => a.name.localeCompare(b.name))).toEqual(
    [disabled, live].map(({ id, name, enabled }) => ({
      id,
      name,
      enabled,
      version: 1,
      trigger_config: { trigger_type: "event", event_type: name },
      flow: null,
      dedupe_key_strategy: "event_id",
    })),
  );
});
