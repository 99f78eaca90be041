/** Dead letters that somebody sees to over REST. The router that records them is the real one, over fakes of its engines. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import type { StreamMessage } from "../../src/dispatch/stream-message.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { writeDelivery } from "../../src/hook/delivery.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import type { OwedRun } from "../../src/run/engine.ts";
import { type Answer, createTestApi, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { claim, envelopeOf, storeDefinition } from "../support/ledger.ts";
import { createTree, type Tree } from "../support/trees.ts";

const SEATS = { type: "object", required: ["seats"], properties: { seats: { type: "integer" } } };
const ANY = { type: "object" };
let database: TestDatabase;
let api: TestApi;
let tree: Tree;
let definition: Definition;
/** A type of its own for each test, for which one activity waits. */
let type: string;
/** Runs that the router has started. */
const routed: OwedRun[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  tree = createTree();
  api = createTestApi(database, [tree.path]);
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  type = `t-${crypto.randomUUID()}`;
  definition = await storeDefinition(database, { trigger_config: { trigger_type: "event", event_type: type } });
  api.away.temporal = false;
  api.started.length = 0;
  routed.length = 0;
});
afterAll(async () => {
  tree?.remove(".");
  await database?.close();
});

let streamed = 0;
/** Hands messages to a router; `text` as it is, anything else as JSON. */
async function route(...messages: (object | string)[]): Promise<void> {
  const starter = {
    async start(run: OwedRun) {
      routed.push(run);
      return run.workflow_id;
    },
  };
  const ledger = createEventLedger(database.db);
  const { handle } = createDispatcher({ ledger, starter, metrics: createMetrics(), log: createLog("silent") });
  const retryAfter = () => expect.unreachable("it was put back");
  await handle(
    messages.map((message): StreamMessage => {
      const bytes = new TextEncoder().encode(typeof message === "string" ? message : JSON.stringify(message));
      const settled = { ack: () => {}, terminate: () => {}, retryAfter, giveBack: retryAfter };
      return { bytes, subject: "activity.x", streamedAtNs: ++streamed, deliveries: 1, ...settled };
    }),
  );
}

/** The type is enforced with this schema, and no other is. */
async function enforce(schema: object): Promise<void> {
  await tree.write("types.yaml", [{ kind: "event_type", name: type, schema, enforce: true }]);
  const { status, body } = await api.send("POST", "/admin/sync?event_types=true&schedules=false&force=true", {});
  expect([status, body.errors]).toEqual([200, []]);
}

const eventOf = (event_id: string, rest: Partial<EventEnvelope> = {}) =>
  envelopeOf(event_id, { type, subject: "who", payload: { seats: "3" }, ...rest });
const replay = (event_id: string, body: unknown = ""): Promise<Answer> =>
  api.post(`/dead-letters/${encodeURIComponent(event_id)}/replay`, body);
const discard = (event_id: string) => api.post(`/dead-letters/${encodeURIComponent(event_id)}/discard`);
const read = async (event_id: string) => (await api.get(`/events/${encodeURIComponent(event_id)}`)).body;
const lettersOf = async (query: string) => (await api.get(`/dead-letters?${query}`)).body;
const auditOf = async (event_id: string) =>
  (await api.get(`/audit?subject=${encodeURIComponent(`event:${event_id}`)}`)).body;

/** An event that its enforced type refused. */
async function mismatched(event_id: string = crypto.randomUUID()): Promise<string> {
  await enforce(SEATS);
  await route(eventOf(event_id));
  expect(await read(event_id)).toMatchObject({ outcome: "dead_lettered", reason: "schema_mismatch" });
  return event_id;
}

/** The event that a message which its type refused has become, corrected. */
async function replayedOf(message: { id: string }, envelope: EventEnvelope): Promise<{ attributes: unknown }> {
  await enforce(SEATS);
  await route(message);
  await enforce(ANY);
  await replay(message.id, { envelope: { ...envelope, event_id: message.id } });
  return read(message.id);
}

/** The id of ours under which a message is kept that differs from what was recorded under `event_id`. */
async function differing(event_id: string): Promise<string> {
  await route(eventOf(event_id, { payload: { n: 1 } }));
  await route(eventOf(event_id, { payload: { n: 2 } }));
  return (await read(event_id)).refused[0].event_id;
}

describe("a dead letter under its own id", () => {
  test("is refused as long as its payload does not match, and is that event when the type was mended", async () => {
    const id = await mismatched();
    expect(pathsOf(await replay(id), 422, "schema_mismatch")).toEqual(["/payload/seats"]);
    expect(await read(id)).toMatchObject({ outcome: "dead_lettered", settled_as: null });

    await enforce(ANY);
    const reached = { activity_id: definition.id, activity_name: definition.name, outcome: "run" };
    expect(await replay(id)).toMatchObject({
      status: 202,
      body: { event_id: id, corrected: [], outcome: "dispatched", activities: [reached] },
    });
    expect(api.started).toMatchObject([{ activity_id: definition.id, trigger_event: { event_id: id } }]);
    expect(await read(id)).toMatchObject({
      ...{ outcome: "dispatched", type, subject: "who", payload: { seats: "3" }, activities: [reached] },
      ...{ reason: "schema_mismatch", settled_as: "replayed", settled_by: "anonymous", replayed_as: id },
    });
    expect(await auditOf(id)).toMatchObject([
      {
        action: "dead_letter.replay",
        before: { reason: "schema_mismatch" },
        after: { replayed_as: id, corrected: [] },
      },
    ]);
  });

  test("is claimed once, reads what was recorded, and stays a repetition for the stream", async () => {
    const id = await mismatched();
    await enforce(ANY);
    await replay(id);
    const start = { event_id: id };
    expect(await claim(database, definition.id, start, { workflow: "a" })).toMatchObject({ outcome: "claimed" });
    expect(await claim(database, definition.id, start, { workflow: "b" })).toMatchObject({ outcome: "duplicate" });
    await route(eventOf(id));
    expect(routed).toEqual([]);
    expect((await api.get(`/runs?activity_id=${definition.id}`)).body).toHaveLength(1);
  });

  test("that came as a CloudEvent becomes an event with its attributes", async () => {
    await enforce(SEATS);
    const id = crypto.randomUUID();
    const event = { specversion: "1.0", id, type, source: "/shop", region: "eu", data: { seats: "3" } };
    await route({ ...event, datacontenttype: "application/json" });
    await enforce(ANY);
    expect((await replay(id)).body).toMatchObject({ event_id: id, corrected: [], outcome: "dispatched" });
    expect(await read(id)).toMatchObject({ source: "/shop", attributes: { region: "eu" }, payload: { seats: "3" } });
    const corrected = envelopeOf(id, { type, attributes: { region: "us" } });
    expect((await replayedOf({ ...event, id: `${id}-2` }, corrected)).attributes).toEqual({ region: "us" });
  });

  test("is corrected by another payload, and the message with the old one is another event from then on", async () => {
    const id = await mismatched();
    const wrong = { ...eventOf(id), occurred_at: "2026-02-31T09:30:00Z" };
    expect(pathsOf(await replay(id, { envelope: wrong }), 400, "invalid_event")).toEqual(["/envelope/occurred_at"]);
    expect((await replay(id, { payload: { seats: 3 } })).body).toMatchObject({
      ...{ event_id: id, corrected: ["payload"], outcome: "dispatched" },
    });
    expect(await read(id)).toMatchObject({ payload: { seats: 3 }, activities: [{ outcome: "run" }] });
    expect(Buffer.from((await read(id)).raw_base64, "base64").toString()).toContain('"seats":"3"');
    expect(await auditOf(id)).toMatchObject([{ after: { corrected: ["payload"] } }]);
    await enforce(ANY);
    await route(eventOf(id));
    expect((await read(id)).refused).toMatchObject([{ reason: "event_differs" }]);
  });

  test("that many replay at once runs once; the others are told by whom it was", async () => {
    const id = await mismatched();
    await enforce(ANY);
    const answers = await Promise.all(Array.from({ length: 8 }, () => replay(id)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    const refused = answers.find(({ status }) => status !== 202) as Answer;
    pathsOf(refused, 409, "letter_settled");
    expect(refused.body.detail).toContain("replayed");
    const rows = await database.sql`select * from actcore.occurrences where key = ${id}`;
    expect(rows).toHaveLength(1);
    expect(api.started).toHaveLength(1);
  });

  test("that is replayed while the router gets it again runs once", async () => {
    const id = await mismatched();
    await enforce(ANY);
    await Promise.all([replay(id), route(eventOf(id)), route(eventOf(id))]);
    expect(await database.sql`select * from actcore.occurrences where key = ${id}`).toHaveLength(1);
    expect(await read(id)).toMatchObject({ outcome: "dispatched", refused: [] });
  });

  test("owes its runs while Temporal is away, or when the process ends before the start (I2)", async () => {
    const id = await mismatched();
    await enforce(ANY);
    api.away.temporal = true;
    expect((await replay(id)).body).toMatchObject({ outcome: "received" });
    const owed = await createUnfinishedLedger(database).listOwedEvents(new Date(Date.now() + 1_000), 100);
    expect(owed).toMatchObject([{ event_id: id, owed: [{ activity_id: definition.id }] }]);
    pathsOf(await replay(id), 409, "letter_settled");
  });

  test("that nothing waits for is unmatched, and one that a filter refuses is dispatched with the reason", async () => {
    const id = await mismatched();
    await enforce(ANY);
    await api.send("PATCH", `/activity-definitions/${definition.id}`, {
      trigger_config: { trigger_type: "event", event_type: type, filters: { tier: "pro" } },
    });
    expect((await replay(id)).body).toMatchObject({
      ...{ outcome: "dispatched", activities: [{ outcome: "filtered", run_id: null }] },
    });
    const other = await mismatched();
    await enforce(ANY);
    await api.ask("DELETE", `/activity-definitions/${definition.id}`);
    expect((await replay(other)).body).toMatchObject({ outcome: "unmatched", activities: [] });
  });
});

describe("a dead letter under an id of ours", () => {
  test("that says something else than the recorded event is replayed under an id of its own only", async () => {
    const id = await differing("differs-1");
    pathsOf(await replay(id), 409, "event_differs");
    pathsOf(await replay(id, { payload: { n: 3 } }), 409, "event_differs");
    const made = await replay(id, { event_id: "differs-1b" });
    expect(made).toMatchObject({ status: 202, body: { event_id: "differs-1b", corrected: ["event_id"] } });
    expect(made.headers.get("location")).toBe("/events/differs-1b");
    expect(await read("differs-1b")).toMatchObject({ outcome: "dispatched", payload: { n: 2 }, settled_as: null });
    expect(await read(id)).toMatchObject({
      outcome: "dead_lettered",
      settled_as: "replayed",
      replayed_as: "differs-1b",
    });
    expect((await read("differs-1")).activities).toHaveLength(1);
  });

  test("without an envelope needs a corrected one, which may have the id that it carries", async () => {
    await route({ ...eventOf("carried-1"), occurred_at: "yesterday" });
    const [letter] = await lettersOf("reason=not_an_envelope&limit=1");
    expect(letter).toMatchObject({ carried_id: "carried-1", settled_as: null });
    const unread = await replay(letter.event_id);
    pathsOf(unread, 409, "letter_unreadable");
    expect(unread.body.detail).toContain("/occurred_at");
    const envelope = eventOf("carried-1");
    expect((await replay(letter.event_id, { envelope })).body).toMatchObject({ event_id: "carried-1" });
    expect(await read("carried-1")).toMatchObject({ outcome: "dispatched", activities: [{ outcome: "run" }] });
    expect(api.started).toHaveLength(1);
  });

  test("cannot become an event that was recorded since, nor take its place", async () => {
    await route({ ...eventOf("carried-2"), occurred_at: "yesterday" });
    const [letter] = await lettersOf("reason=not_an_envelope&limit=1");
    await route(eventOf("carried-2"));
    pathsOf(await replay(letter.event_id, { envelope: eventOf("carried-2") }), 409, "event_recorded");
    const other = eventOf("carried-2", { payload: { n: 2 } });
    pathsOf(await replay(letter.event_id, { envelope: other }), 409, "event_differs");
    expect(await read(letter.event_id)).toMatchObject({ settled_as: null });
    expect(await discard(letter.event_id)).toMatchObject({ status: 200 });
  });

  test("takes over what a foreign start brought under its id, and runs the other activities", async () => {
    const other = await storeDefinition(database, { trigger_config: { trigger_type: "event", event_type: type } });
    await route({ ...eventOf("carried-3"), occurred_at: "yesterday" });
    const [letter] = await lettersOf("reason=not_an_envelope&limit=1");
    await claim(database, definition.id, eventOf("carried-3"));
    expect((await replay(letter.event_id, { envelope: eventOf("carried-3") })).status).toBe(202);
    expect(api.started).toMatchObject([{ activity_id: other.id }]);
    expect((await read("carried-3")).activities).toHaveLength(2);
  });

  test("of a webhook is mapped anew by its hook, and nothing is that only looks like a webhook", async () => {
    const hook = { name: "shop", verify: "token", secrets: ["SHOP"], token: { header: "x-token" } };
    const map = { event_id: "body.id", payload: "body" };
    expect((await api.post("/hooks", { ...hook, map: { ...map, type: "body.kind" } })).status).toBe(201);
    const body = new TextEncoder().encode('{"id": 7}');
    const headers = new Headers({ "content-type": "application/json" });
    const raw = writeDelivery({ hook: "shop", receivedAt: new Date(), headers, body });
    const event_id = "dead-letter:shop-7";
    const letter = { event_id, reason: "mapping_failed" as const, detail: "", subject: "hook:shop", raw };
    await createEventLedger(database.db).recordDeadLetters([letter]);
    await route(new TextDecoder().decode(raw));
    const [forged] = await lettersOf("reason=not_json&limit=1");

    const unmapped = await replay(event_id);
    pathsOf(unmapped, 409, "letter_unreadable");
    expect(unmapped.body.detail).toContain("kind");
    await api.send("PUT", "/hooks/shop", { ...hook, map: { ...map, type: `'${type}'` } });
    pathsOf(await replay(forged.event_id), 409, "letter_unreadable");
    expect((await replay(event_id)).body).toMatchObject({
      ...{ event_id: expect.stringContaining("7"), corrected: [], activities: [{ outcome: "run" }] },
    });
    expect(await read((await read(event_id)).replayed_as)).toMatchObject({ source: "hook:shop", payload: { id: 7 } });
  });

  test("that says it is one of actcore's own is replayed only as one that is not", async () => {
    await route(eventOf("forged-1", { type: "actcore.run.failed" }));
    const [letter] = await lettersOf("reason=own_event&limit=1");
    expect(pathsOf(await replay(letter.event_id), 400, "own_event")).toEqual(["/type"]);
    const envelope = eventOf("forged-1");
    expect((await replay(letter.event_id, { envelope })).body).toMatchObject({
      event_id: "forged-1",
      corrected: ["type"],
    });
  });

  test("is refused where the correction is no event, or one of actcore's own", async () => {
    await route("{ no json");
    const [letter] = await lettersOf("reason=not_json&limit=1");
    const envelope = { ...eventOf("manual:1"), occurred_at: "2026-02-31T09:30:00Z" };
    expect(pathsOf(await replay(letter.event_id, { envelope }), 400, "invalid_event")).toEqual([
      "/envelope/event_id",
      "/envelope/occurred_at",
    ]);
    const own = eventOf("mine", { type: "actcore.run.failed" });
    expect(pathsOf(await replay(letter.event_id, { envelope: own }), 400, "own_event")).toEqual(["/envelope/type"]);
    const both = { envelope: eventOf("mine"), payload: {} };
    expect(pathsOf(await replay(letter.event_id, both), 400, "invalid_dead_letter_request")).toEqual(["/payload"]);
    expect(pathsOf(await replay(letter.event_id, { note: 1 }), 400, "invalid_dead_letter_request")).toEqual(["/note"]);
  });
});

describe("dead letters", () => {
  test("are listed without payloads, newest first, by reason, type, time and whether somebody saw to them", async () => {
    const [a, b] = [await mismatched(), await mismatched()];
    const idsOf = async (query: string) =>
      (await lettersOf(`type=${type}&${query}`)).map(({ event_id }: { event_id: string }) => event_id);
    expect(await idsOf("")).toEqual([b, a]);
    await discard(a);
    expect(await idsOf("settled=true")).toEqual([a]);
    expect(await idsOf("settled=false&reason=schema_mismatch")).toEqual([b]);
    expect(await idsOf("reason=not_json")).toEqual([]);
    await enforce(ANY);
    await replay(b);
    expect(await idsOf("settled=true")).toEqual([b, a]);
    expect(await idsOf(`since=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
    expect(await api.listAll(`/dead-letters?type=${type}&limit=1`, "event_id")).toEqual([b, a]);
    const [row] = await lettersOf(`type=${type}`);
    expect("payload" in row || "raw_base64" in row).toBe(false);
    pathsOf(await api.get("/dead-letters?reason=ugly"), 400, "invalid_query");
  });

  test("are discarded once, and then not replayed", async () => {
    const id = await mismatched();
    expect(await discard(id)).toMatchObject({ status: 200, body: { event_id: id } });
    expect(await read(id)).toMatchObject({ outcome: "dead_lettered", settled_as: "discarded", replayed_as: null });
    pathsOf(await discard(id), 409, "letter_settled");
    await enforce(ANY);
    pathsOf(await replay(id), 409, "letter_settled");
    expect(await auditOf(id)).toMatchObject([{ action: "dead_letter.discard", actor: "anonymous" }]);
  });

  test.each(["nobody", "\0", "an event that is no dead letter"])("of %j are not there", async (id) => {
    await route(eventOf("an event that is no dead letter"));
    pathsOf(await replay(id), 404, "not_found");
    pathsOf(await discard(id), 404, "not_found");
  });

  test("that a filter chooses are replayed oldest first, in parts; those that cannot be are named", async () => {
    const since = new Date().toISOString();
    const ids = [await mismatched(), await mismatched(), await mismatched()];
    await enforce(ANY);
    const bad = crypto.randomUUID();
    await enforce(SEATS);
    await route(eventOf(bad, { payload: 1 }));
    await enforce(ANY);
    const first = await api.post("/dead-letters/replay", { type, since, limit: 2 });
    expect(first.body).toEqual({ settled: 2, refused: [], left: 2, next: expect.any(String) });
    expect(api.started.map(({ trigger_event }) => trigger_event)).toEqual(
      ids.slice(0, 2).map((event_id) => ({ event_id })),
    );
    const rest = await api.post("/dead-letters/replay", { type, after: first.body.next });
    expect(rest.body).toEqual({
      ...{ settled: 1, left: 1, next: null },
      refused: [{ event_id: bad, code: "schema_mismatch", detail: expect.any(String) }],
    });
    expect((await api.post("/dead-letters/discard", { type, reason: "schema_mismatch" })).body).toEqual({
      ...{ settled: 1, refused: [], left: 0, next: null },
    });
    expect(await read(bad)).toMatchObject({ settled_as: "discarded" });
  });

  test("are not chosen all at once by a filter that says nothing", async () => {
    for (const way of ["replay", "discard"]) {
      expect(pathsOf(await api.post(`/dead-letters/${way}`, {}), 400, "invalid_dead_letter_request")).toEqual(["/"]);
      const wrong = { reason: "ugly", limit: 501, since: "today" };
      expect(pathsOf(await api.post(`/dead-letters/${way}`, wrong), 400, "invalid_dead_letter_request")).toHaveLength(
        3,
      );
    }
  });
});
