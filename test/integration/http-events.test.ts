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
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
  const ledger = createEventLedger(database.db);
  const starter = { start: async ({ workflow_id }: OwedRun) => workflow_id };
  const { handle } = createDispatcher({ ledger, starter, metrics: createMetrics(), log: createLog("silent") });
  route = (...messages) => handle(messages.map(messageOf));
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

let streamed = 0;
function messageOf(value: object): StreamMessage {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const retryAfter = () => expect.unreachable("it was put back");
  const settled = { ack: () => {}, terminate: () => {}, retryAfter, giveBack: retryAfter };
  return { bytes, subject: "activity.x", streamedAtNs: ++streamed, deliveries: 1, ...settled };
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
