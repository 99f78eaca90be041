/** The dispatcher over fakes of its ports: what it does with failures that real engines do not make on demand. */
import { describe, expect, test } from "bun:test";
import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import type { StreamMessage } from "../../src/dispatch/stream-message.ts";
import { contentOf, type EventContent } from "../../src/event/content.ts";
import type { DeadLetter, EventLedger } from "../../src/event/event-ledger.ts";
import type { EventOutcome } from "../../src/event/outcome.ts";
import type { EnforcedType } from "../../src/event/payload-checks.ts";
import { RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import type { OwedRun } from "../../src/run/engine.ts";

type Settled = string[];

/** A message of the type `x`, unless the bytes say otherwise; what happened to it goes to `settled`. */
function message(id: string, settled: Settled, bytes?: string): StreamMessage {
  const envelope = { event_id: id, type: "x", source: "s", occurred_at: "2026-01-31T09:30:00Z" };
  return {
    bytes: new TextEncoder().encode(bytes ?? JSON.stringify(envelope)),
    subject: "activity.x",
    streamedAtNs: 1,
    deliveries: 1,
    ack: () => settled.push(`${id} acked`),
    terminate: (reason) => settled.push(`${id} terminated: ${reason}`),
    retryAfter: (delayMs) => settled.push(`${id} put back for ${delayMs} ms`),
    giveBack: ({ code }, delayMs) => settled.push(`${id} given back for ${delayMs} ms: ${code}`),
  };
}

function owedRunOf(event_id: string): OwedRun {
  return { activity_id: "a", activity_name: "a", workflow_id: `activity-a:${event_id}`, trigger_event: { event_id } };
}

/**
 * A dispatcher over a ledger in memory: of its definitions two wait for `x` and `y`, one filters `filtered`, and one has a
 * condition for `asked`.
 */
function setUp({
  refuses = (_: string): Error | undefined => undefined,
  startFails = [] as string[],
  down = false,
  types = [] as EnforcedType[],
  manyOf = 0,
  ownEvents = new Map<string, EventContent>(),
} = {}) {
  const known = new Map<string, EventOutcome>();
  const contents = new Map<string, EventContent>();
  const started: string[] = [];
  const letters: DeadLetter[] = [];
  const calls = {
    listSubscriptions: 0,
    revision: 0n,
    starts: 0,
    records: [] as string[][],
    marked: [] as string[],
    letterGroups: [] as number[],
  };
  const away = () => new RetryableError("postgres_unavailable", "away");
  const ledger: EventLedger = {
    readRevision: async () => {
      if (down) throw away();
      return calls.revision;
    },
    async listSubscriptions() {
      calls.listSubscriptions++;
      const activity = { id: "a", name: "a", enabled: true };
      return [
        { ...activity, trigger_config: { trigger_type: "event", event_type: "x" } },
        { ...activity, trigger_config: { trigger_type: "event", event_type: "y" } },
        { ...activity, trigger_config: { trigger_type: "event", event_type: "filtered", filters: { tier: "pro" } } },
        { ...activity, trigger_config: { trigger_type: "event", event_type: "asked", when: "event.payload.n > 3" } },
        ...Array(manyOf).fill({ ...activity, trigger_config: { trigger_type: "event", event_type: "many" } }),
      ];
    },
    async record(events) {
      calls.records.push(events.map(({ envelope }) => envelope.event_id));
      for (const { envelope } of events) {
        const refusal = refuses(envelope.event_id);
        if (refusal) throw refusal;
      }
      return events.map(({ envelope, outcome: matched, matches }) => {
        const { event_id } = envelope;
        const isNew = !known.has(event_id);
        const outcome = known.get(event_id) ?? matched;
        known.set(event_id, outcome);
        const content = contents.get(event_id) ?? null;
        if (isNew) contents.set(event_id, contentOf(envelope));
        const owed = outcome === "received" ? [owedRunOf(event_id)] : [];
        return { event_id, outcome, isNew, content, owed, ...(isNew && { matches }) };
      });
    },
    async markDispatched(ids) {
      calls.marked.push(...ids);
      for (const id of ids) known.set(id, "dispatched");
    },
    async readOwnEvents(ids) {
      return new Map(ids.filter((id) => ownEvents.has(id)).map((id) => [id, ownEvents.get(id) as EventContent]));
    },
    async listEnforcedTypes() {
      return types;
    },
    async recordDeadLetters(group) {
      calls.letterGroups.push(group.length);
      for (const { event_id } of group) {
        const refusal = down ? away() : refuses(`dead ${event_id}`);
        if (refusal) throw refusal;
      }
      const fresh = group.filter(({ event_id }) => !known.has(event_id));
      for (const letter of fresh) {
        known.set(letter.event_id, "dead_lettered");
        if (letter.envelope) contents.set(letter.event_id, contentOf(letter.envelope));
        letters.push(letter);
      }
      return new Set(fresh.map(({ event_id }) => event_id));
    },
  };
  const starter = {
    async start({ trigger_event, workflow_id }: OwedRun) {
      calls.starts++;
      const { event_id } = trigger_event as { event_id: string };
      if (startFails.includes(event_id)) throw new RetryableError("temporal_unavailable", "away");
      started.push(event_id);
      return workflow_id;
    },
  };
  const metrics = createMetrics();
  const { handle } = createDispatcher({ ledger, starter, metrics, log: createLog("silent") });
  return { handle, known, started, letters, calls, metrics };
}

test("an event that says it is actcore's own is taken where actcore made it as it is, and is a dead letter else", async () => {
  const own = { event_id: "actcore.run.failed:r:0", type: "actcore.run.failed", source: "actcore", subject: "r" };
  const envelope = { ...own, occurred_at: "2026-01-31T09:30:00Z", payload: { depth: 1 } };
  const altered = { ...envelope, payload: { depth: 0 } };
  const { event_id, ...content } = { ...own, payload: { depth: 1 } };
  const settled: Settled = [];
  const { handle, letters } = setUp({ ownEvents: new Map([[event_id, content]]) });
  await handle([message("mine", settled, JSON.stringify(envelope))]);
  await handle([message("altered", settled, JSON.stringify(altered))]);
  await handle([message("forged", settled, JSON.stringify({ ...envelope, event_id: "x" }))]);
  expect(settled).toEqual(["mine acked", "altered terminated: own_event", "forged terminated: own_event"]);
  expect(letters.map(({ carried_id }) => carried_id)).toEqual([event_id, "x"]);
});

describe("a group of messages", () => {
  test("is acknowledged after its runs are started and that is recorded", async () => {
    const settled: Settled = [];
    const { handle, known, started } = setUp();
    const message1 = message("1", settled);
    message1.ack = () => settled.push(`acked when ${known.get("1")} and ${started.join()} started`);
    await handle([message1]);
    expect(settled).toEqual(["acked when dispatched and 1 started"]);
  });

  test("with a message that is no event keeps that one as a dead letter, and the others go on", async () => {
    const settled: Settled = [];
    const { handle, letters, started } = setUp();
    await handle([message("bad", settled, "{oops"), message("1", settled)]);
    expect(settled).toEqual(["1 acked", "bad terminated: not_json"]); // an event does not wait for what is none
    expect(letters).toMatchObject([{ reason: "not_json", raw: new TextEncoder().encode("{oops") }]);
    expect(started).toEqual(["1"]);
  });

  test("with many messages that are no events keeps them as dead letters in one transaction", async () => {
    const settled: Settled = [];
    const { handle, letters, calls } = setUp();
    await handle([1, 2, 3].map((n) => message(`bad ${n}`, settled, `{oops ${n}`)));
    expect([letters.length, calls.letterGroups]).toEqual([3, [3]]);
    expect(settled).toEqual([1, 2, 3].map((n) => `bad ${n} terminated: not_json`));
  });

  test("of whose dead letters the ledger refuses one puts only that one back", async () => {
    const settled: Settled = [];
    let refusedId = "";
    const refuses = (id: string) => {
      if (!id.startsWith("dead ")) return undefined;
      refusedId ||= id;
      return id === refusedId ? new TerminalError("not_storable", "no") : undefined;
    };
    const { handle } = setUp({ refuses });
    await handle([1, 2, 3].map((n) => message(`bad ${n}`, settled, `{oops ${n}`)));
    expect(settled).toEqual(["bad 1 put back for 500 ms", "bad 2 terminated: not_json", "bad 3 terminated: not_json"]);
  });

  test("with an event that the ledger refuses dead-letters that one, and the others go on", async () => {
    const settled: Settled = [];
    const refuses = (id: string) => (id === "poison" ? new TerminalError("not_storable", "no") : undefined);
    const { handle, letters, started } = setUp({ refuses });
    await handle(["1", "poison", "2"].map((id) => message(id, settled)));
    expect(settled.sort()).toEqual(["1 acked", "2 acked", "poison terminated: not_storable"]);
    expect(letters).toMatchObject([{ reason: "not_storable", detail: "no" }]);
    expect(started).toEqual(["1", "2"]);
  });

  test("with copies of an event that the ledger refuses dead-letters each", async () => {
    const settled: Settled = [];
    const refuses = (id: string) => (id === "poison" ? new TerminalError("not_storable", "no") : undefined);
    const { handle } = setUp({ refuses });
    await handle([message("poison", settled), message("poison", settled)]);
    expect(settled).toEqual(Array(2).fill("poison terminated: not_storable"));
  });

  test("in which one run cannot be started puts only that event back", async () => {
    const settled: Settled = [];
    const { handle, known } = setUp({ startFails: ["2"] });
    await handle(["1", "2", "3"].map((id) => message(id, settled)));
    expect(settled).toEqual(["1 acked", "3 acked", "2 put back for 500 ms"]);
    expect(Object.fromEntries(known)).toEqual({ 1: "dispatched", 2: "received", 3: "dispatched" });
  });

  test("of which no run can be started, because the engine is away, is given back, and is not tried to its end", async () => {
    const settled: Settled = [];
    const ids = Array.from({ length: 200 }, (_, n) => `${n}`);
    const { handle, calls } = setUp({ startFails: ids });
    await handle(ids.map((id) => message(id, settled)));
    expect(settled).toEqual(ids.map((id) => `${id} given back for 0 ms: temporal_unavailable`));
    expect(calls.starts).toBe(64);
  });

  test("is given back whole while the ledger is away, dead letters included", async () => {
    const settled: Settled = [];
    await setUp({ down: true }).handle([
      message("bad", settled, "{oops"),
      message("1", settled),
      message("2", settled),
    ]);
    expect(settled.sort()).toEqual([
      "1 given back for 0 ms: postgres_unavailable",
      "2 given back for 0 ms: postgres_unavailable",
      "bad given back for 500 ms: postgres_unavailable",
    ]);
  });

  test("is put back whole when the ledger fails in a way that nobody knows", async () => {
    const settled: Settled = [];
    const refuses = (id: string) => (id === "1" ? new Error("a bug") : undefined);
    await setUp({ refuses }).handle([message("1", settled), message("2", settled)]);
    expect(settled).toEqual(["1 put back for 500 ms", "2 put back for 500 ms"]);
  });

  test("with the same event twice records and starts it once, and acknowledges both", async () => {
    const settled: Settled = [];
    const { handle, started, calls, metrics } = setUp();
    await handle([message("1", settled), message("1", settled)]);
    expect([settled, started, calls.records]).toEqual([["1 acked", "1 acked"], ["1"], [["1"]]]);
    const { values } = await metrics.events.get();
    expect(values.map(({ labels, value }) => [labels.outcome, value])).toEqual([
      ["dispatched", 1],
      ["duplicate", 1],
    ]);
  });

  test("that reaches more activities than can be recorded at once is recorded in parts, and each is settled", async () => {
    const settled: Settled = [];
    const { handle, calls, started } = setUp({ manyOf: 900 });
    const event = (id: string, type: string) =>
      message(id, settled, JSON.stringify({ event_id: id, type, source: "s", occurred_at: "2026-01-31T09:30:00Z" }));
    await handle([event("1", "many"), event("2", "many"), event("3", "z"), event("4", "many"), event("5", "x")]);
    expect(calls.records).toEqual([
      ["1", "2", "3"],
      ["4", "5"],
    ]);
    expect(settled).toEqual(["1 acked", "2 acked", "3 acked", "4 acked", "5 acked"]);
    expect(started).toEqual(["1", "2", "4", "5"]);
  });

  test("with an event that was dispatched before acknowledges it and starts nothing", async () => {
    const settled: Settled = [];
    const { handle, started } = setUp();
    await handle([message("1", settled)]);
    await handle([message("1", settled)]);
    expect([settled, started]).toEqual([["1 acked", "1 acked"], ["1"]]);
  });
});

describe("an event", () => {
  const ofType = (id: string, type: string, payload?: object) =>
    message(id, [], JSON.stringify({ event_id: id, type, source: "s", occurred_at: "2026-01-31T09:30:00Z", payload }));

  test.each<[what: string, event: StreamMessage, outcome: string]>([
    ["that starts runs", ofType("1", "x"), "dispatched"],
    ["that no definition waits for", ofType("1", "z"), "unmatched"],
    ["that a filter refuses", ofType("1", "filtered"), "dispatched"],
    ["that a condition cannot be asked of", ofType("1", "asked"), "dispatched"],
  ])("%s is counted once, and as a duplicate when it comes again", async (_, event, outcome) => {
    const { handle, metrics } = setUp();
    for (let n = 0; n < 3; n++) await handle([event]);
    const { values } = await metrics.events.get();
    expect(values.map(({ labels, value }) => [labels.outcome, value])).toEqual([
      [outcome, 1],
      ["duplicate", 2],
    ]);
  });

  test("that is new is counted for each activity that it reaches, by what came of it", async () => {
    const { handle, metrics } = setUp({ manyOf: 3 });
    const events = [
      ...[ofType("1", "x"), ofType("2", "z"), ofType("3", "filtered"), ofType("4", "many")],
      ...[ofType("5", "asked"), ofType("6", "asked", { n: 3 }), ofType("7", "asked", { n: 4 })],
    ];
    for (let n = 0; n < 2; n++) await handle(events);
    const { values } = await metrics.eventOutcomes.get();
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]))).toEqual({
      ...{ run: 5, filtered: 2, failed_expression: 1 },
    });
  });

  test("whose router was killed before its runs were started is counted when they are", async () => {
    const { handle, known, metrics } = setUp();
    known.set("1", "received");
    await handle([ofType("1", "x")]);
    const { values } = await metrics.events.get();
    expect(values.map(({ labels, value }) => [labels.outcome, value])).toEqual([["dispatched", 1]]);
  });

  test("is marked as dispatched where it owed runs, and only then", async () => {
    const { handle, calls } = setUp();
    await handle([ofType("1", "x"), ofType("2", "z"), ofType("3", "filtered"), ofType("4", "x")]);
    await handle([ofType("1", "x")]);
    expect(calls.marked).toEqual(["1", "4"]);
  });
});

describe("a message with the id of another event", () => {
  const saying = (payload: unknown, settled: Settled, type = "x") =>
    message(
      "1",
      settled,
      JSON.stringify({ event_id: "1", type, source: "s", occurred_at: "2026-01-31T09:30:00Z", payload }),
    );
  const letter = {
    event_id: expect.stringMatching(/^dead-letter:/),
    carried_id: "1",
    reason: "event_differs",
    detail: "differs in payload from the event that was recorded before under its id",
    envelope: { payload: 2 },
  };

  test("is kept as a dead letter beside it, and what was recorded first has its run once", async () => {
    const settled: Settled = [];
    const { handle, started, letters, metrics } = setUp();
    await handle([saying(1, settled)]);
    await handle([saying(2, settled)]);
    await handle([saying(1, settled)]);
    expect([settled, started]).toEqual([["1 acked", "1 terminated: event_differs", "1 acked"], ["1"]]);
    expect(letters).toMatchObject([letter]);
    const { values } = await metrics.events.get();
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]))).toEqual({
      dispatched: 1,
      dead_lettered: 1,
      duplicate: 1,
    });
  });

  test("is kept so also where both come in one group", async () => {
    const settled: Settled = [];
    const { handle, started, letters, calls } = setUp();
    await handle([saying(1, settled), saying(2, settled), saying(1, settled), saying(2, settled, "y")]);
    expect(settled.sort()).toEqual([
      "1 acked",
      "1 acked",
      "1 terminated: event_differs",
      "1 terminated: event_differs",
    ]);
    expect(started).toEqual(["1"]);
    expect(letters.map(({ detail }) => detail.split(" from ")[0])).toEqual([
      "differs in payload",
      "differs in type, payload",
    ]);
    expect(calls.records).toEqual([["1"], ["1"], ["1"]]);
  });

  test("does not stop the runs that the recorded event still owes", async () => {
    const settled: Settled = [];
    const { handle, started, known } = setUp();
    await handle([saying(1, settled)]);
    known.set("1", "received");
    await handle([saying(2, settled)]);
    expect([started, known.get("1"), settled]).toEqual([
      ["1", "1"],
      "dispatched",
      ["1 acked", "1 terminated: event_differs"],
    ]);
  });

  test("is put back where that cannot be recorded", async () => {
    const settled: Settled = [];
    const refuses = (id: string) =>
      id.startsWith("dead dead-letter:") ? new RetryableError("postgres_unavailable", "away") : undefined;
    const { handle } = setUp({ refuses });
    await handle([saying(1, settled), saying(2, settled)]);
    expect(settled).toEqual(["1 acked", "1 given back for 500 ms: postgres_unavailable"]);
  });

  test("is acknowledged where only the id of the recorded event is still kept", async () => {
    const settled: Settled = [];
    const { handle, known, letters } = setUp();
    known.set("1", "dispatched");
    await handle([saying(2, settled)]);
    expect([settled, letters]).toEqual([["1 acked"], []]);
  });
});

test("a dead letter says which event id its message carries", async () => {
  const refuses = (id: string) => (id === "poison" ? new TerminalError("not_storable", "no") : undefined);
  const { handle, letters } = setUp({ refuses });
  await handle([message("a", [], '{"event_id": "a"}'), message("b", [], "{oops"), message("poison", [])]);
  expect(letters.map(({ reason, carried_id }) => [reason, carried_id])).toEqual([
    ["not_storable", "poison"],
    ["not_an_envelope", "a"],
    ["not_json", undefined],
  ]);
});

test.each<[string, Parameters<typeof setUp>[0], number[]]>([
  ["that nothing else fails with", { refuses: () => new Error("a bug") }, [500, 1000, 8000, 15_000, 15_000]],
  ["that an engine may keep from being settled", { startFails: ["1"] }, [500, 1000, 5000, 5000, 5000]],
])("a message %s comes again ever later, up to a bound", async (_, options, waitsMs) => {
  const settled: Settled = [];
  const { handle } = setUp(options);
  for (const deliveries of [1, 2, 5, 6, 1000]) await handle([{ ...message("1", settled), deliveries }]);
  expect(settled.map((line) => Number(/ for (\d+) ms/.exec(line)?.[1]))).toEqual(waitsMs);
});

test("definitions are loaded once, and again only when the revision moved (I4)", async () => {
  const { handle, calls } = setUp();
  await handle([message("1", [])]);
  await handle([message("2", [])]);
  expect(calls.listSubscriptions).toBe(1);
  calls.revision = 1n;
  await handle([message("3", [])]);
  expect(calls.listSubscriptions).toBe(2);
});

describe("an event of an enforced type", () => {
  const types = [{ name: "x", schema: '{"required": ["a", "b"], "properties": {"a": {"type": "integer"}}}' }];
  const withPayload = (id: string, settled: Settled, payload: unknown, type = "x") =>
    message(
      id,
      settled,
      JSON.stringify({ event_id: id, type, source: "s", occurred_at: "2026-01-31T09:30:00Z", payload }),
    );

  test("is dead-lettered under its own id where its payload does not match, with every fault; the others go on", async () => {
    const settled: Settled = [];
    const { handle, letters, started, metrics } = setUp({ types });
    await handle([
      withPayload("bad", settled, { a: "1" }),
      withPayload("bad", settled, { a: "1" }),
      withPayload("good", settled, { a: 1, b: 2 }),
      withPayload("other", settled, { a: "1" }, "y"),
    ]);
    expect(settled.sort()).toEqual([
      "bad terminated: schema_mismatch",
      "bad terminated: schema_mismatch",
      "good acked",
      "other acked",
    ]);
    expect(letters).toMatchObject([
      {
        event_id: "bad",
        reason: "schema_mismatch",
        detail: '/payload/b is required; /payload/a must be integer, received "1"',
        envelope: { type: "x" },
      },
    ]);
    expect(started).toEqual(["good", "other"]);
    const { values } = await metrics.events.get();
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]))).toMatchObject({
      dead_lettered: 1,
      duplicate: 1,
    });
  });

  test("without a payload is checked as an empty object", async () => {
    const { handle, letters } = setUp({ types });
    await handle([message("1", [])]);
    expect(letters[0]?.detail).toBe("/payload/a is required; /payload/b is required");
  });

  test("that was recorded before its type was enforced still gets the runs that it owes (I2)", async () => {
    const settled: Settled = [];
    const { handle, known, started, letters } = setUp({ types });
    known.set("before", "received");
    await handle([withPayload("before", settled, {})]);
    expect([settled, started, letters]).toEqual([["before acked"], ["before"], []]);
  });

  test("that was dead-lettered before is settled, and nothing is started", async () => {
    const settled: Settled = [];
    const { handle, started, letters } = setUp({ types });
    for (let n = 0; n < 2; n++) await handle([withPayload("bad", settled, {})]);
    expect([started, letters.length, settled]).toEqual([[], 1, ["bad terminated: schema_mismatch", "bad acked"]]);
  });

  test("is put back where its dead letter cannot be recorded, and the others go on", async () => {
    const settled: Settled = [];
    const refuses = (id: string) =>
      id === "dead bad" ? new RetryableError("postgres_unavailable", "away") : undefined;
    const { handle } = setUp({ types, refuses });
    await handle([withPayload("bad", settled, {}), withPayload("good", settled, { a: 1, b: 1 })]);
    expect(settled).toEqual(["bad given back for 500 ms: postgres_unavailable", "good acked"]);
  });

  test("has its schema from the revision that was read after it arrived (I4)", async () => {
    const settled: Settled = [];
    const own = [...types];
    const { handle, calls } = setUp({ types: own });
    await handle([withPayload("1", settled, {})]);
    own.pop();
    await handle([withPayload("2", settled, {})]);
    calls.revision = 1n;
    await handle([withPayload("3", settled, {})]);
    own.push({ name: "x", schema: '{"maxProperties": 0}' });
    calls.revision = 2n;
    await handle([withPayload("4", settled, {})]);
    expect(settled).toEqual(["1 terminated: schema_mismatch", "2 terminated: schema_mismatch", "3 acked", "4 acked"]);
  });

  test("of which many things are wrong names the first", async () => {
    const { handle, letters } = setUp({ types: [{ name: "x", schema: '{"items": {"type": "null"}}' }] });
    await handle([withPayload("1", [], Array(9).fill(1))]);
    expect(letters[0]?.detail).toEndWith("/payload/4 must be null, received 1; and 4 more");
  });
});
