/** Events over REST whose id the ledger knows. The router that records them is the real one, over fakes of its engines. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import type { StreamMessage } from "../../src/dispatch/stream-message.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import type { OwedRun } from "../../src/run/engine.ts";
import { createTestApi, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { envelopeOf } from "../support/ledger.ts";

let database: TestDatabase;
let api: TestApi;
let route: (...messages: object[]) => Promise<void>;
let handle: (message: Pick<StreamMessage, "bytes" | "headers">) => Promise<void>;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
  const ledger = createEventLedger(database.db);
  const starter = { start: async ({ workflow_id }: OwedRun) => workflow_id };
  const dispatcher = createDispatcher({ ledger, starter, metrics: createMetrics(), log: createLog("silent") });
  handle = (message) => dispatcher.handle([toMessage(message)]);
  route = (...messages) =>
    dispatcher.handle(messages.map((value) => toMessage({ bytes: new TextEncoder().encode(JSON.stringify(value)) })));
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

let streamed = 0;
function toMessage(message: Pick<StreamMessage, "bytes" | "headers">): StreamMessage {
  const retryAfter = () => expect.unreachable("it was put back");
  const settled = { ack: () => {}, terminate: () => {}, retryAfter, giveBack: retryAfter };
  return { ...message, subject: "activity.x", streamedAtNs: ++streamed, deliveries: 1, ...settled };
}

describe("POST /events", () => {
  test("says that it published an event, and that its repetition is a duplicate once it is recorded", async () => {
    const event = envelopeOf("p1", { payload: { total: 10 } });
    expect(await api.post("/events", event)).toMatchObject({ status: 202, body: { event_id: "p1", duplicate: false } });
    await route(event);
    const again = { ...event, occurred_at: "2026-01-31T09:30:05Z" };
    expect(await api.post("/events", again)).toMatchObject({ status: 202, body: { event_id: "p1", duplicate: true } });
    expect(api.published.map(({ event_id }) => event_id)).toEqual(["p1"]);
  });

  test("refuses another event under a recorded id, by the fields that differ, and does not say what stands there", async () => {
    await route(envelopeOf("p2", { payload: { card: "4111" } }));
    const answer = await api.post("/events", envelopeOf("p2", { type: "y", payload: { card: "0" } }));
    expect(pathsOf(answer, 409, "event_differs")).toEqual(["/type", "/payload"]);
    expect(JSON.stringify(answer.body)).not.toContain("4111");
    expect(api.published.map(({ event_id }) => event_id)).not.toContain("p2");
  });

  test("publishes an event again that only a refused message carried", async () => {
    await route({ ...envelopeOf("p3"), occurred_at: "2026-01-31T09:30:00" });
    expect((await api.post("/events", envelopeOf("p3"))).body).toEqual({ event_id: "p3", duplicate: false });
  });
});

describe("POST /events with a list", () => {
  const ids = (answer: { body: { event_id: string | null; status: number; duplicate?: boolean; code?: string }[] }) =>
    answer.body.map(({ event_id, status, duplicate, code }) => [event_id, status, code ?? duplicate]);

  test("answers 202 when every event is in the stream, in the order of the list", async () => {
    await route(envelopeOf("l1"));
    const answer = await api.post("/events", [envelopeOf("l2"), envelopeOf("l1"), envelopeOf("l3"), envelopeOf("l2")]);
    expect(answer.status).toBe(202);
    expect(ids(answer)).toEqual([
      ["l2", 202, false],
      ["l1", 202, true],
      ["l3", 202, false],
      ["l2", 202, true],
    ]);
    expect(api.published.map(({ event_id }) => event_id).slice(-2)).toEqual(["l2", "l3"]);
  });

  test("answers 207 when some are refused, each by the problem that it would be alone", async () => {
    await route(envelopeOf("m1", { payload: { total: 1 } }));
    const list = [
      envelopeOf("m2"),
      envelopeOf("m1", { payload: { total: 2 } }),
      { event_id: "m3" },
      5,
      envelopeOf("m4", { type: "actcore.run.failed" }),
      JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`),
      envelopeOf("m5", { payload: { text: "x".repeat(1_100_000) } }),
      envelopeOf("m\ud800"),
      { specversion: "1.0", id: "m6", source: "/shop", type: "x", data: { a: 1 } },
      { specversion: "1.0", id: "m7", type: "x" },
    ];
    const text = JSON.stringify(list);
    // Numbers that a double does not hold, and one that cannot be kept.
    const exact = `${JSON.stringify(envelopeOf("m8")).slice(0, -1)},"payload":{"n":9007199254740993,"s":"a,\\"]"}}`;
    const body = `${text.slice(0, -1)},${exact},${exact.replace("m8", "m9").replace("9007199254740993", "1e9999999999999999")}]`;
    const answer = await api.post("/events", body);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([207, "application/json;charset=utf-8"]);
    expect(ids(answer)).toEqual([
      ["m2", 202, false],
      ["m1", 409, "event_differs"],
      [null, 400, "invalid_event"],
      [null, 400, "invalid_event"],
      [null, 400, "own_event"],
      [null, 400, "invalid_event"],
      ["m5", 202, false], // its size is the publisher's to refuse, which is a fake here
      [null, 400, "invalid_event"],
      ["m6", 202, false],
      [null, 400, "invalid_event"],
      ["m8", 202, false],
      [null, 400, "number_not_kept"],
    ]);
    expect(answer.body[2].errors.map(({ path }: { path: string }) => path)).toEqual([
      "/type",
      "/source",
      "/occurred_at",
    ]);
    expect(answer.body[9].errors).toEqual([{ path: "/source", message: "is required" }]);
    expect(answer.body[11].errors[0].path).toBe("/payload/n");
    expect(JSON.stringify(api.published.at(-1)?.payload)).toBe('{"n":9007199254740993,"s":"a,\\"]"}');
  });

  test("answers 503 and when to try again where the stream is away, and none was recorded before", async () => {
    api.away.nats = true;
    try {
      const answer = await api.post("/events", [envelopeOf("n1"), {}]);
      expect([answer.status, answer.body.code, answer.headers.get("retry-after")]).toEqual([
        503,
        "nats_unavailable",
        "5",
      ]);
      await route(envelopeOf("n2"));
      const partly = await api.post("/events", [envelopeOf("n1"), envelopeOf("n2")]);
      expect(partly.status).toBe(207);
      expect(ids(partly)).toEqual([
        ["n1", 503, "nats_unavailable"],
        ["n2", 202, true],
      ]);
    } finally {
      api.away.nats = false;
    }
  });

  test.each<[what: string, body: string, status: number, code: string]>([
    ["none", "[]", 400, "invalid_events"],
    ["501", JSON.stringify(Array(501).fill({})), 400, "invalid_events"],
    ["no end", "[{}", 400, "malformed_json"],
    ["8 MB and more", `["${"x".repeat(8 * 1_048_576)}"]`, 413, "body_too_large"],
  ])("refuses one with %s", async (_, body, status, code) => {
    pathsOf(await api.post("/events", body), status, code);
  });

  test("takes 500 events at once", async () => {
    const { status, body } = await api.post(
      "/events",
      Array.from({ length: 500 }, (_, n) => envelopeOf(`bulk-${n}`)),
    );
    expect([status, body.length]).toEqual([202, 500]);
  });
});

describe("POST /events with CloudEvents", () => {
  const event = { specversion: "1.0", id: "c1", source: "/shop", type: "order.created", time: "2026-01-31T09:30:00Z" };
  const headers = { "ce-specversion": "1.0", "ce-id": "c2", "ce-source": "/shop", "ce-type": "order.created" };
  const STRUCTURED = { "content-type": "application/cloudevents+json" };
  const BATCH = { "content-type": "application/cloudevents-batch+json; charset=utf-8" };

  test("takes one in structured mode, also where it comes as plain JSON", async () => {
    for (const type of [STRUCTURED, {}]) {
      const answer = await api.post("/events", { ...event, tenant: "blue", data: { n: 1 } }, type);
      expect([answer.status, answer.body.event_id, answer.headers.get("location")]).toEqual([202, "c1", "/events/c1"]);
      expect(api.published.at(-1)).toEqual({
        ...{ event_id: "c1", type: "order.created", source: "/shop", occurred_at: "2026-01-31T09:30:00Z" },
        attributes: { tenant: "blue" },
        payload: { n: 1 },
      });
    }
  });

  test("takes one in binary mode, and any content type", async () => {
    const { status } = await api.post("/events", "<a/>", {
      ...headers,
      "ce-tenant": "blue",
      "content-type": "text/xml",
    });
    expect(status).toBe(202);
    expect(api.published.at(-1)).toMatchObject({
      event_id: "c2",
      attributes: { tenant: "blue", datacontenttype: "text/xml" },
      payload: { content_type: "text/xml", text: "<a/>" },
    });
  });

  test("takes a batch, which may be empty", async () => {
    const answer = await api.post("/events", [event, { ...event, id: "c3" }, envelopeOf("c4")], BATCH);
    expect([answer.status, answer.body.map(({ status }: { status: number }) => status)]).toEqual([
      207,
      [202, 202, 400],
    ]);
    expect(await api.post("/events", "[]", BATCH)).toMatchObject({ status: 202, body: [] });
  });

  test("refuses another event under a recorded id, though its source is another one", async () => {
    await route({ ...event, id: "c5" });
    const answer = await api.post("/events", { ...event, id: "c5", source: "/other" }, STRUCTURED);
    expect(pathsOf(answer, 409, "event_differs")).toEqual(["/source"]);
  });

  test.each<
    [what: string, headers: Record<string, string>, body: string, status: number, code: string, paths: string[]]
  >([
    [
      "every fault of one in structured mode",
      STRUCTURED,
      '{"id":"c6"}',
      400,
      "invalid_event",
      ["/specversion", "/source", "/type"].sort(),
    ],
    [
      "every fault of one in binary mode",
      { ...headers, "ce-id": "a:rerun-1", "ce-specversion": "0.3" },
      "",
      400,
      "invalid_event",
      ["/id", "/specversion"],
    ],
    ["a type of actcore's own", { ...headers, "ce-type": "actcore.x" }, "", 400, "own_event", ["/type"]],
    ["no JSON", STRUCTURED, "{", 400, "malformed_json", ["/"]],
    [
      "no JSON in binary mode",
      { ...headers, "content-type": "application/json" },
      "{",
      400,
      "invalid_event",
      ["/data"],
    ],
    ["10,000 levels", STRUCTURED, `{"data":${"[".repeat(10_000)}${"]".repeat(10_000)}}`, 400, "body_too_deep", ["/"]],
    [
      "10,000 levels in binary mode",
      { ...headers, "content-type": "application/json" },
      "[".repeat(10_000) + "]".repeat(10_000),
      400,
      "invalid_event",
      ["/"],
    ],
    [
      "half of a surrogate pair",
      STRUCTURED,
      JSON.stringify({ ...event, subject: "\ud800" }),
      400,
      "invalid_event",
      ["/subject"],
    ],
    ["NUL", STRUCTURED, JSON.stringify({ ...event, id: "a\u0000" }), 400, "invalid_event", ["/id"]],
    [
      "the key __proto__",
      STRUCTURED,
      `{"__proto__":"x",${JSON.stringify(event).slice(1)}`,
      400,
      "invalid_event",
      ["/__proto__"],
    ],
    [
      "a number that cannot be kept",
      STRUCTURED,
      `{"data":1e9999999999999999,${JSON.stringify(event).slice(1)}`,
      400,
      "number_not_kept",
      ["/data"],
    ],
    [
      "such a number in binary mode",
      { ...headers, "content-type": "application/json" },
      "1e9999999999999999",
      400,
      "number_not_kept",
      ["/data"],
    ],
    ["another format", { "content-type": "application/cloudevents+avro" }, "x", 415, "unsupported_media_type", []],
    ["a text without headers", { "content-type": "text/plain" }, "x", 415, "unsupported_media_type", []],
    ["packed bytes", { ...headers, "content-encoding": "gzip" }, "x", 415, "unsupported_media_type", []],
    ["a batch that is no list", BATCH, "{}", 400, "invalid_events", ["/"]],
    [
      "more than 1 MB",
      STRUCTURED,
      JSON.stringify({ ...event, data: "x".repeat(1_048_576) }),
      413,
      "body_too_large",
      [],
    ],
  ])("refuses %s", async (_, sent, body, status, code, paths) => {
    expect(pathsOf(await api.post("/events", body, sent), status, code).sort()).toEqual(paths);
  });

  test("keeps of a key that stands twice the last value, as an envelope does", async () => {
    await api.post("/events", `{"type":"a",${JSON.stringify({ ...event, id: "c7" }).slice(1)}`, STRUCTURED);
    expect(api.published.at(-1)).toMatchObject({ event_id: "c7", type: "order.created" });
  });
});

describe("a CloudEvent of the stream", () => {
  test("is recorded with its attributes, and as a dead letter it is kept with them", async () => {
    const headers = new Map(
      Object.entries({
        "ce-specversion": "1.0",
        "ce-id": "s1",
        "ce-source": "/s",
        "ce-type": "t",
        "ce-tenant": "blue",
      }),
    );
    await handle({ headers, bytes: new Uint8Array([1, 2]) });
    expect((await api.get("/events/s1")).body).toMatchObject({
      ...{ outcome: "unmatched", type: "t", attributes: { tenant: "blue" } },
      payload: { content_type: null, base64: "AQI=" },
    });
    await handle({ headers, bytes: new Uint8Array([3]) });
    const [{ event_id }] = (await api.get("/events/s1")).body.refused;
    const { body } = await api.get(`/events/${event_id}`);
    expect(body).toMatchObject({ reason: "event_differs", attributes: { tenant: "blue" } });
    expect(JSON.parse(Buffer.from(body.raw_base64, "base64").toString())).toEqual({
      ...{ specversion: "1.0", id: "s1", source: "/s", type: "t", tenant: "blue", data_base64: "Aw==" },
    });
  });
});

describe("GET /events/{id}", () => {
  test("shows what else came under the id of an event, and what it said", async () => {
    const [first, second] = [
      envelopeOf("g1", { payload: { total: 10 } }),
      envelopeOf("g1", { payload: { total: 12 } }),
    ];
    await route(first, second);
    await route(first);
    const { body } = await api.get("/events/g1");
    expect(body).toMatchObject({
      outcome: "unmatched",
      payload: { total: 10 },
      refused: [
        {
          reason: "event_differs",
          detail: "differs in payload from the event that was recorded before under its id",
        },
      ],
    });
    const [refused] = body.refused;
    expect((await api.get(`/events/${refused.event_id}`)).body).toMatchObject({
      ...{ outcome: "dead_lettered", carried_id: "g1", payload: { total: 12 } },
    });
  });

  test("finds a message whose time has no zone by the id that it carries, and says what is wrong with it", async () => {
    const message = { ...envelopeOf("g2"), occurred_at: "2026-01-31T09:30:00.123456" };
    await route(message);
    const { status, body } = await api.get("/events/g2");
    expect([status, body.outcome, body.reason, body.carried_id]).toEqual([
      200,
      "dead_lettered",
      "not_an_envelope",
      "g2",
    ]);
    expect(body.detail).toStartWith("/occurred_at expected a time with its offset");
    expect(JSON.parse(Buffer.from(body.raw_base64, "base64").toString())).toEqual(message);
  });
});
