/**
 * Two hundred mixed events through a real dispatcher and a real ledger: what /explain says of each is what the test knows that
 * happened, because it made the event so, and what the ledger has of it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createActivityCache } from "../../src/definition/activity.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import type { StreamMessage } from "../../src/dispatch/stream-message.ts";
import { decideClosing } from "../../src/flow/window.ts";
import { RetryableError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createAdmissionLedger } from "../../src/postgres/flow/admission-ledger.ts";
import { createWindowLedger } from "../../src/postgres/flow/window-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import type { RunClose } from "../../src/run/run.ts";
import { createTestApi, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { bodyOf, claim, envelopeOf, replace, storeDefinition } from "../support/ledger.ts";

const log = createLog("silent");
let database: TestDatabase;
let api: TestApi;
/** Activities by name. */
const ids: Record<string, string> = {};
let isTemporalAway = false;
let seq = 0;
const settled: string[] = [];
let dispatcher: ReturnType<typeof createDispatcher>;

const on = (event_type: string, rest: object = {}) => ({
  trigger_config: { trigger_type: "event", event_type, ...rest },
});

async function store(name: string, rest: object): Promise<Definition> {
  const definition = await storeDefinition(database, { name, ...rest });
  ids[name] = definition.id;
  return definition;
}

beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
  dispatcher = createDispatcher({
    ledger: createEventLedger(database.db),
    starter: {
      async start({ workflow_id }) {
        if (isTemporalAway) throw new RetryableError("temporal_unavailable", "away");
        return workflow_id;
      },
    },
    metrics: createMetrics(),
    log,
  });
  await store("orders", on("order.created", { filters: { tier: ["pro", "team"] }, when: "event.payload.seats > 3" }));
  await store("audit", on("order.*"));
  await store("broken", on("order.created", { when: "event.payload.customer.vip" }));
  await store("off", { ...on("order.created"), enabled: false });
  await store("clock", { trigger_config: { trigger_type: "interval", every: "1h" } });
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const message = (bytes: string): StreamMessage => ({
  bytes: new TextEncoder().encode(bytes),
  subject: "activity.test",
  streamedAtNs: ++seq,
  deliveries: 1,
  ack: () => settled.push("acked"),
  terminate: (reason) => settled.push(reason),
  retryAfter: () => settled.push("put back"),
  giveBack: () => settled.push("given back"),
});
const send = (...events: (object | string)[]) =>
  dispatcher.handle(events.map((event) => message(typeof event === "string" ? event : JSON.stringify(event))));

const explain = async (eventId: string, activity?: string) => {
  const about = activity === undefined ? "" : `&activity_id=name:${activity}`;
  const { status, body } = await api.get(`/explain?event_id=${encodeURIComponent(eventId)}${about}`);
  expect(status).toBe(200);
  return body;
};

/** An event of the sample, and what has to come of it for each activity. */
interface Sample {
  id: string;
  sent: object | string;
  /** Of the event as a whole. */
  outcome: string;
  /** By activity. */
  of: Record<string, string>;
}

const NOBODY = { orders: "other_type", broken: "other_type", off: "other_type", clock: "no_events" };

function sampleOf(n: number): Sample {
  const id = `e-${n}`;
  const order = (payload: object) => envelopeOf(id, { type: "order.created", payload });
  const fixed = { audit: "run", off: "skipped", clock: "no_events" };
  const of = (orders: string, broken: string) => ({ ...fixed, orders, broken });
  switch (n % 8) {
    case 0:
      return {
        id,
        sent: order({ tier: "pro", seats: 4, customer: { vip: false } }),
        outcome: "dispatched",
        of: of("run", "filtered"),
      };
    case 1:
      return {
        id,
        sent: order({ tier: "free", seats: 9, customer: { vip: true } }),
        outcome: "dispatched",
        of: of("filtered", "run"),
      };
    case 2:
      return {
        id,
        sent: order({ tier: "team", seats: 2, customer: {} }),
        outcome: "dispatched",
        of: of("filtered", "failed_expression"),
      };
    case 3:
      return {
        id,
        sent: order({ tier: "pro" }),
        outcome: "dispatched",
        of: of("failed_expression", "failed_expression"),
      };
    case 4:
      return {
        id,
        sent: envelopeOf(id, { type: "order.paid" }),
        outcome: "dispatched",
        of: { ...NOBODY, audit: "run" },
      };
    case 5:
      return {
        id,
        sent: envelopeOf(id, { type: "ordre.created" }),
        outcome: "unmatched",
        of: { ...NOBODY, audit: "other_type" },
      };
    case 6:
      return { id, sent: JSON.stringify({ ...envelopeOf(id), source: "" }), outcome: "dead_lettered", of: dead };
    default:
      return { id: "", sent: `{"event_id": "e-${n}"`, outcome: "dead_lettered", of: {} };
  }
}
const dead = Object.fromEntries(["orders", "audit", "broken", "off", "clock"].map((name) => [name, "dead_lettered"]));

describe("of two hundred mixed events", () => {
  const samples = Array.from({ length: 200 }, (_, n) => sampleOf(n));
  const known = samples.filter(({ id }) => id !== "");

  beforeAll(async () => {
    for (let at = 0; at < samples.length; at += 50)
      await send(...samples.slice(at, at + 50).flatMap(({ sent }, n) => (n % 10 === 0 ? [sent, sent] : [sent])));
    // Workers claim two runs of three, and close some of them in one way or another.
    const rows = await database.sql`select run_id, activity_id, event_id from actcore.occurrences order by run_id`;
    for (const [n, row] of rows.entries()) {
      if (n % 3 === 0) continue;
      const { run_id } = await claim(database, row.activity_id, { event_id: row.event_id });
      const end = ENDS[n % ENDS.length];
      if (end !== undefined) await createRunLedger(database.db).close({ run_id, failures: [], ...end });
    }
  }, 30_000);
  const ENDS: (Partial<RunClose> | undefined)[] = [
    {},
    { interruption: { status: "failed", reason: "workflow_stuck", message: "its step fails" } },
    { interruption: { status: "cancelled" } },
    undefined,
  ];

  test("the answer about each event is what the ledger has", async () => {
    for (const { id, outcome, of } of known) {
      const told = await explain(id);
      expect([id, told.outcome]).toEqual([id, outcome]);
      const counted: Record<string, number> = {};
      for (const one of Object.values(of))
        if (["run", "filtered", "failed_expression", "skipped"].includes(one)) counted[one] = (counted[one] ?? 0) + 1;
      expect([id, told.reached]).toEqual([id, counted]);
      expect(
        told.activities.map((one: { activity_name: string; outcome: string }) => [one.activity_name, one.outcome]),
      ).toEqual(
        Object.entries(of)
          .filter(([, one]) => one in counted)
          .sort(),
      );
      expect(told.summary).toMatch(/^[^;.].*\.$/);
    }
  });

  test("the answer about each event and an activity is what the test made it be, and its run what the ledger has", async () => {
    const statuses = new Set<string>();
    for (const [n, { id, of }] of known.entries()) {
      // Each event about one activity, in turn.
      const name = Object.keys(of)[n % 5] as string;
      const { outcome, activity, summary, run } = await explain(id, name);
      expect([id, name, outcome]).toEqual([id, name, of[name] as string]);
      expect(activity).toMatchObject({ activity_id: ids[name], in_force: { version: 1 } });
      if (outcome !== "run") continue;
      const [row] = await database.sql`
        select o.run_id, o.claimed_by, r.status, r.error from actcore.occurrences o left join actcore.runs r using (run_id)
        where o.activity_id = ${ids[name] as string} and o.key = ${id}`;
      const status = row?.status ?? "owed";
      statuses.add(status);
      expect(summary).toContain(row?.run_id);
      expect(run?.status ?? "owed").toBe(status);
      const words = { owed: "is not started yet", running: "has been running since", failed: row?.error };
      expect(summary).toContain(words[status as keyof typeof words] ?? status);
    }
    expect([...statuses].sort()).toEqual(["cancelled", "failed", "owed", "running", "succeeded"]);
  });

  test("filters and conditions are shown with what they wanted and what there was", async () => {
    expect(await explain("e-1", "orders")).toMatchObject({
      summary: expect.stringContaining('payload.tier is "free", the filter wants one of ["pro","team"]'),
      trigger: {
        version: 1,
        filters: [{ path: "tier", wanted: '["pro","team"]', actual: '"free"', holds: false }],
        condition: null,
      },
    });
    expect((await explain("e-2", "orders")).trigger).toEqual({
      version: 1,
      filters: [{ path: "tier", wanted: '["pro","team"]', actual: '"team"', holds: true }],
      condition: {
        expression: "event.payload.seats > 3",
        holds: false,
        explanation: "payload.seats is 2: event.payload.seats > 3 is false",
      },
    });
    expect((await explain("e-2", "broken")).trigger.condition).toMatchObject({
      holds: null,
      explanation: expect.stringContaining("vip"),
    });
  });

  test("an unmatched one names the nearest type that an activity waits for", async () => {
    const { summary, nearest } = await explain("e-5");
    expect(nearest).toMatchObject({ event_type: "order.created" });
    expect(summary).toContain("the nearest one is order.created");
  });
});

describe("of events that their activities gather, tell apart and hold back", () => {
  const N = 15;
  const sold = Array.from({ length: N }, (_, n) => `sold-${n}`);
  beforeAll(async () => {
    await store("once", { ...on("item.sold"), dedupe_key_strategy: { key: "event.payload.order", window: "1h" } });
    await store("batches", { ...on("item.sold"), flow: { batch: { size: 2, within: "1h" } } });
    await store("quiet", { ...on("item.sold"), flow: { debounce: "1h" } });
    await store("one_by_one", { ...on("item.sold"), flow: { max_concurrent_runs: 1 } });
    await store("slowly", { ...on("item.sold"), flow: { rate_limit: { count: 1, per: "1h" } } });
    await store("drops", { ...on("item.sold"), flow: { rate_limit: { count: 1, per: "1h", on_excess: "drop" } } });
    for (const [n, id] of sold.entries()) {
      await send(envelopeOf(id, { type: "item.sold", payload: { order: Math.floor(n / 3) } }));
      await createWindowLedger(database, createActivityCache()).closeDue(decideClosing);
    }
    for (const name of ["one_by_one", "slowly", "drops"])
      await createAdmissionLedger(database).admit({ activity_id: ids[name] as string, flow_key: "" });
  });

  test("a duplicate names the event that has its key, until when, and the run that it made", async () => {
    for (const [n, id] of sold.entries()) {
      const told = await explain(id, "once");
      expect([id, told.outcome]).toEqual([id, n % 3 === 0 ? "run" : "duplicate"]);
      if (n % 3 === 0) continue;
      const holder = sold[n - (n % 3)] as string;
      const { run } = await explain(holder, "once");
      const [row] = await database.sql`select expires_at from actcore.dedupe_keys where event_id = ${holder}`;
      const key = String(Math.floor(n / 3));
      expect(told.duplicate_of).toEqual({
        ...{ event_id: holder, key, outcome: "run", run_id: run?.run_id ?? expect.any(String) },
        ...{ accepted_at: expect.any(String), until: new Date(row?.expires_at).toISOString() },
      });
      expect(told.summary).toContain(`it has the dedupe key ${key} until ${told.duplicate_of.until}, and made run `);
    }
  });

  test("one whose key was taken by a later event since is told by what was recorded alone", async () => {
    await database.sql`update actcore.dedupe_keys set event_id = 'another' where event_id = 'sold-12'`;
    const { duplicate_of, summary } = await explain("sold-13", "once");
    expect(duplicate_of).toBeNull();
    expect(summary).toContain("event sold-12 has the dedupe key 4 until ");
  });

  test("a gathered one is told with its window while that is open, and with its run after that", async () => {
    for (const [n, id] of sold.entries()) {
      const [window] = await database.sql`
        select w.* from actcore.flow_members m join actcore.flow_windows w using (window_id)
        where m.event_id = ${id} and w.activity_id = ${ids.batches as string}`;
      const told = await explain(id, "batches");
      expect([id, told.outcome]).toEqual([id, n === N - 1 ? "collected" : "run"]);
      expect(told.window).toMatchObject({ window_id: window?.window_id, kind: "batch", events: n === N - 1 ? 1 : 2 });
      if (n < N - 1) expect(told.summary).toContain(`with another one (batch), made run ${window?.run_id}`);
    }
    const { window, summary } = await explain("sold-3", "quiet");
    expect(window).toMatchObject({ kind: "debounce", events: N, closed_at: null });
    expect(summary).toContain(
      `with ${N - 1} others (debounce): the run is made when no further event has come by ${window.closes_at}`,
    );
  });

  test("one that waits says for which runs, or until when", async () => {
    const { run: first } = await explain("sold-0", "one_by_one");
    expect(first).toMatchObject({ status: "running" });
    const { run: slow } = await explain("sold-0", "slowly");
    for (const id of sold.slice(1)) {
      const told = await explain(id, "one_by_one");
      expect(told).toMatchObject({
        outcome: "queued",
        run: { status: "queued" },
        waits_for: { kind: "max_concurrent_runs", holders: [first.run_id], until: null },
      });
      expect(told.summary).toContain(`waits for run ${first.run_id} to end`);
      const until = new Date(Date.parse(slow.fired_at) + 3_600_000).toISOString();
      expect((await explain(id, "slowly")).waits_for).toEqual({ kind: "rate_limit", holders: null, until });
    }
  });

  test("one that may not wait says what held it back", async () => {
    const told = await explain("sold-5", "drops");
    expect(told).toMatchObject({ outcome: "skipped", run: { status: "skipped", reason: "rate_limit" } });
    expect(told.summary).toContain("because rate_limit lets 1 run begin in 1h, and so many have begun");
  });
});

describe("an event", () => {
  test("whose run is not started says so", async () => {
    isTemporalAway = true;
    await send(envelopeOf("waits", { type: "order.paid" }));
    isTemporalAway = false;
    expect(await explain("waits")).toMatchObject({
      outcome: "received",
      summary: expect.stringContaining("not started yet"),
    });
  });

  test("is judged by the version that was in force, and told what the current one would do", async () => {
    const { name, id } = await store("edited", on("edit.made", { filters: { tier: "pro" } }));
    await send(envelopeOf("edit-1", { type: "edit.made", payload: { tier: "free" } }));
    await replace(database, id, bodyOf(name, on("edit.made", { filters: { tier: "free" } })));
    const told = await explain("edit-1", name);
    expect(told).toMatchObject({
      outcome: "filtered",
      activity: { current: { version: 2 }, in_force: { version: 1 } },
      trigger: { version: 1, filters: [{ wanted: '"pro"', actual: '"free"' }] },
    });
    expect(told.summary).toContain("its version of now, 2, would take it: POST /events/edit-1/replay");
    const { body } = await api.post("/events/edit-1/replay", { activity_id: id });
    const [{ run_id }] = body.activities;
    const repeated = await explain("edit-1", name);
    expect(repeated).toMatchObject({ outcome: "filtered", repeated_by: [{ run_id, trigger: "replay" }] });
    expect(repeated.summary).toContain(`; it was repeated as run ${run_id}, which has been running since`);
    await replace(database, id, bodyOf(name, on("edit.undone")));
    expect((await explain("edit-1", name)).summary).not.toContain("would take it");
  });

  test("came before its activity was made, or after it was deleted", async () => {
    await send(envelopeOf("early", { type: "late.made" }));
    const { id } = await store("latecomer", on("late.made"));
    expect(await explain("early", "latecomer")).toMatchObject({
      outcome: "not_there",
      summary: expect.stringContaining("was created later"),
    });
    expect((await explain("early")).summary).toContain("latecomer waits for it now");
    await api.ask("DELETE", `/activity-definitions/${id}`);
    await send(envelopeOf("after", { type: "late.made" }));
    const { body } = await api.get(`/explain?event_id=after&activity_id=${id}`);
    expect(body).toMatchObject({ outcome: "not_there", activity: { current: null, in_force: null } });
    expect(body.summary).toContain("was deleted before");
  });

  test("that somebody brought for one activity alone reached no other", async () => {
    const { body } = await api.post("/activity-definitions/name:audit/trigger", {});
    const event_id = `manual:${body.run_id}`;
    expect(await explain(event_id, "audit")).toMatchObject({ outcome: "run", run: { run_id: body.run_id } });
    expect(await explain(event_id, "orders")).toMatchObject({ outcome: "brought_for_one" });
  });

  test("that is not recorded is unknown, and ids that look like it are named", async () => {
    expect(await explain("e-20l")).toMatchObject({
      outcome: "unknown",
      event: null,
      near_ids: expect.arrayContaining(["e-20"]),
    });
    expect((await explain("nothing like it at all")).near_ids).toEqual([]);
  });

  test("of which only the id is kept says since when, and what is still known of its run", async () => {
    await send(envelopeOf("swept", { type: "order.paid" }));
    const { run_id } = await claim(database, ids.audit as string, { event_id: "swept" });
    const [row] = await database.sql`select row_id from actcore.event_keys where event_id = 'swept'`;
    await database.sql`delete from actcore.event_outcomes where row_id = ${row?.row_id}`;
    await database.sql`delete from actcore.events where row_id = ${row?.row_id}`;
    expect(await explain("swept")).toMatchObject({
      outcome: "not_kept",
      summary: expect.stringContaining("events are kept for 30d"),
    });
    expect((await explain("swept", "orders")).summary).toContain("no run that orders made of it is known");
    expect((await explain("swept", "audit")).run).toMatchObject({ run_id });
  });
});

describe("GET /unmatched-event-types", () => {
  test("counts each type with its newest event, and the nearest one that is listened to", async () => {
    const { body } = await api.get("/unmatched-event-types");
    const [counted] =
      await database.sql`select count(*)::int from actcore.events where outcome = 'unmatched' and type = 'ordre.created'`;
    expect(body.cut).toBeNull();
    const found = body.types.find(({ type }: { type: string }) => type === "ordre.created");
    expect(found).toMatchObject({
      count: counted?.count,
      count_is_exact: true,
      listened_now: null,
      nearest: { event_type: "order.created" },
    });
    expect(await explain(found.sample_event_id)).toMatchObject({ outcome: "unmatched" });
    const all = await database.sql`select distinct type from actcore.events where outcome = 'unmatched'`;
    expect(body.types.map(({ type }: { type: string }) => type).sort()).toEqual(all.map(({ type }) => type).sort());
  });

  test("leaves out what came before `since`, and takes as many as are asked for", async () => {
    expect((await api.get("/unmatched-event-types?since=2100-01-01T00:00:00Z")).body.types).toEqual([]);
    expect((await api.get("/unmatched-event-types?limit=1")).body.types).toHaveLength(1);
  });
});

test("what is asked is checked, and what is not there is said by name", async () => {
  expect(pathsOf(await api.get("/explain"), 400, "invalid_query")).toEqual(["?event_id"]);
  expect(pathsOf(await api.get("/explain?event_id=e-1&at=2026-01-31T09:30:00Z"), 400, "invalid_query")).toEqual([
    "?at",
  ]);
  pathsOf(await api.get(`/explain?event_id=e-1&activity_id=${crypto.randomUUID()}`), 404, "not_found");
  pathsOf(await api.get("/explain?activity_id=name:nobody"), 404, "definition_not_found");
});
