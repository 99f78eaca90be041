/** Event types from their files to what they refuse: at the door of the API, and in the router. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createTestApi, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { envelopeOf, matchedEvent } from "../support/ledger.ts";
import { activity, createTree, type Tree } from "../support/trees.ts";

let database: TestDatabase;
let api: TestApi;
let tree: Tree;
beforeAll(async () => {
  database = await createTestDatabase();
  tree = createTree();
  api = createTestApi(database, [tree.path]);
}, ENGINES_TIMEOUT_MS);
beforeEach(() => {
  api.published.length = 0;
});
afterAll(async () => {
  tree?.remove(".");
  await database?.close();
});

const SEATS = {
  type: "object",
  required: ["id", "seats"],
  properties: { id: { type: "string" }, seats: { type: "integer", minimum: 1 } },
  additionalProperties: false,
};

/** The tree's event types are these, and no others. */
async function syncTypes(...types: object[]): Promise<void> {
  if (types.length === 0) tree.remove("types.yaml");
  else
    await tree.write(
      "types.yaml",
      types.map((type) => ({ kind: "event_type", ...type })),
    );
  const { status, body } = await api.send("POST", "/admin/sync?event_types=true&schedules=false&force=true", {});
  expect([status, body.errors]).toEqual([200, []]);
}

const publish = (type: string, payload: unknown, event_id: string = crypto.randomUUID()) =>
  api.send("POST", "/events", envelopeOf(event_id, { type, payload }));

describe("over REST", () => {
  test("event types are listed by name, page by page, and read with their schema; retired ones are not", async () => {
    await syncTypes(
      { name: "b/ü", schema: SEATS, enforce: true, description: "seats" },
      { name: "a", schema: {} },
      { name: "c", schema: {} },
    );
    const { body, headers } = await api.get("/event-types?limit=2");
    expect(body.map(({ name }: { name: string }) => name)).toEqual(["a", "b/ü"]);
    const next = headers.get("link")?.match(/^<(.*)>; rel="next"$/)?.[1] as string;
    expect((await api.get(next)).body).toMatchObject([{ name: "c" }]);
    expect((await api.get(`/event-types/${encodeURIComponent("b/ü")}/`)).body).toEqual({
      id: expect.any(String),
      name: "b/ü",
      description: "seats",
      schema: SEATS,
      enforce: true,
      version: 1,
      source: "file:types.yaml",
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    await syncTypes({ name: "a", schema: {} });
    expect((await api.get("/event-types")).body).toHaveLength(1);
    pathsOf(await api.get(`/event-types/${encodeURIComponent("b/ü")}`), 404, "not_found");
  });

  test.each(["none", "%00", "%ED%A0%80"])("the event type %s is not there", async (name) => {
    const { status } = await api.get(`/event-types/${name}`);
    expect([400, 404]).toContain(status);
  });
});

describe("POST /events", () => {
  test("answers 422 with every fault at its path, and publishes nothing", async () => {
    await syncTypes({ name: "seats", schema: SEATS, enforce: true });
    const answer = await publish("seats", { seats: 0, colour: "red" });
    expect(pathsOf(answer, 422, "schema_mismatch").sort()).toEqual([
      "/payload/colour",
      "/payload/id",
      "/payload/seats",
    ]);
    expect(answer.body.errors).toContainEqual({ path: "/payload/seats", message: "must be >= 1, received 0" });
    expect(api.published).toEqual([]);
    expect(await publish("seats", { id: "x", seats: 1 })).toMatchObject({ status: 202 });
    expect(await publish("other", { seats: 0 })).toMatchObject({ status: 202 });
  });

  test("takes each sync into account at once: enforced, changed, only describing, retired (I4)", async () => {
    const bad = { seats: "x" };
    await syncTypes({ name: "t", schema: SEATS, enforce: true });
    expect(await publish("t", bad)).toMatchObject({ status: 422 });
    await syncTypes({ name: "t", schema: { required: ["seats"] }, enforce: true });
    expect(await publish("t", bad)).toMatchObject({ status: 202 });
    await syncTypes({ name: "t", schema: SEATS, enforce: true });
    expect(await publish("t", bad)).toMatchObject({ status: 422 });
    await syncTypes({ name: "t", schema: SEATS, enforce: false });
    expect(await publish("t", bad)).toMatchObject({ status: 202 });
    await syncTypes({ name: "t", schema: SEATS, enforce: true });
    await syncTypes({ name: "another", schema: {} });
    expect(await publish("t", bad)).toMatchObject({ status: 202 });
  });
});

describe("the router", () => {
  const started: string[] = [];
  const settled: string[] = [];
  let handle: ReturnType<typeof createDispatcher>["handle"];
  beforeAll(async () => {
    handle = createDispatcher({
      ledger: createEventLedger(database.db),
      starter: {
        async start({ trigger_event, workflow_id }) {
          started.push((trigger_event as { event_id: string }).event_id);
          return workflow_id;
        },
      },
      metrics: createMetrics(),
      log: createLog("silent"),
    }).handle;
    await tree.write("activity.yaml", activity("routed"));
  });
  beforeEach(() => {
    started.length = 0;
    settled.length = 0;
  });

  const arrive = (...events: EventEnvelope[]) =>
    handle(
      events.map((event) => ({
        bytes: new TextEncoder().encode(JSON.stringify(event)),
        subject: "activity.routed",
        streamedAtNs: 1,
        deliveries: 1,
        ack: () => settled.push(`${event.event_id} acked`),
        terminate: (reason) => settled.push(`${event.event_id} ${reason}`),
        retryAfter: () => settled.push(`${event.event_id} put back`),
        giveBack: () => settled.push(`${event.event_id} given back`),
      })),
    );
  const routed = (event_id: string, payload: unknown) =>
    envelopeOf(event_id, { type: "routed", source: "shop", trace_id: "trace", payload });

  test("keeps what does not match as a dead letter under its own id, with the faults and its bytes", async () => {
    await syncTypes({ name: "routed", schema: SEATS, enforce: true });
    const bad = routed("bad", { seats: 0 });
    await arrive(bad, routed("good", { id: "x", seats: 2 }));
    expect(settled.sort()).toEqual(["bad schema_mismatch", "good acked"]);
    expect(started).toEqual(["good"]);
    const { body } = await api.get("/events/bad");
    expect(body).toMatchObject({
      outcome: "dead_lettered",
      reason: "schema_mismatch",
      detail: "/payload/id is required; /payload/seats must be >= 1, received 0",
      type: "routed",
      source: "shop",
      trace_id: "trace",
      activities: [],
    });
    expect(JSON.parse(Buffer.from(body.raw_base64, "base64").toString())).toEqual(bad);
    expect((await api.get("/events?type=routed&outcome=dead_lettered")).body).toHaveLength(1);
    expect((await api.get("/events/good")).body).toMatchObject({ outcome: "dispatched" });
  });

  test("settles the same event again without a second record", async () => {
    await syncTypes({ name: "routed", schema: SEATS, enforce: true });
    const payload = { note: "what Postgres likes least: \u0000 \ud800" };
    for (let n = 0; n < 2; n++) await arrive(routed("again", payload));
    expect(settled).toEqual(["again schema_mismatch", "again acked"]);
    expect((await api.get("/events/again")).body).toMatchObject({ outcome: "dead_lettered", payload });
  });

  test("starts what an event was owed before its type was enforced", async () => {
    await syncTypes();
    const ledger = createEventLedger(database.db);
    const [subscription] = await ledger.listSubscriptions();
    if (subscription === undefined) throw new Error("the activity is not there");
    const envelope = routed("owed", {});
    const { id: activity_id, name: activity_name } = subscription;
    await ledger.record([matchedEvent(envelope, { activity_id, activity_name, outcome: "run" })]);
    await syncTypes({ name: "routed", schema: SEATS, enforce: true });
    await arrive(envelope);
    expect([settled, started]).toEqual([["owed acked"], ["owed"]]);
    expect((await api.get("/events/owed")).body).toMatchObject({ outcome: "dispatched" });
  });

  test("sees a type that was synced before the event was published (I4)", async () => {
    await syncTypes();
    await arrive(routed("free", {}));
    await syncTypes({ name: "routed", schema: SEATS, enforce: true });
    await arrive(routed("bound", {}));
    await syncTypes({ name: "routed", schema: SEATS });
    await arrive(routed("described", {}));
    expect(settled).toEqual(["free acked", "bound schema_mismatch", "described acked"]);
  });
});
