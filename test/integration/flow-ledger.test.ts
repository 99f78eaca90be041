import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createActivityCache } from "../../src/definition/activity.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { matchEvent } from "../../src/dispatch/match-event.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import type { EventLedger } from "../../src/event/event-ledger.ts";
import { indexSubscriptions } from "../../src/event/match.ts";
import { decideClosing, type WindowLedger } from "../../src/flow/window.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createWindowLedger } from "../../src/postgres/flow/window-ledger.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, envelopeOf, logTask, readTasks, storeDefinition } from "../support/ledger.ts";
import { createTestSteps } from "../support/run-steps.ts";

let database: TestDatabase;
let ledger: EventLedger;
let windows: WindowLedger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createEventLedger(database.prepared);
  windows = createWindowLedger(database, createActivityCache());
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

/** Records events of the definition's type as a router does, in one statement; answers what became of each. */
async function record(definition: Definition, events: readonly Partial<EventEnvelope>[], by = ledger) {
  const index = indexSubscriptions(await by.listSubscriptions());
  const envelopes = events.map((event) => envelopeOf(crypto.randomUUID(), { ...event, type: definition.name }));
  const recorded = await by.record(envelopes.map((envelope) => matchEvent(index, envelope)));
  const byId = new Map(recorded.map((event) => [event.event_id, event]));
  return envelopes.map(({ event_id }) => {
    const { matches = [], owed = [] } = byId.get(event_id) ?? {};
    const [{ outcome, reason } = {}] = matches;
    return { event_id, outcome, reason, owed: owed.length };
  });
}

/** What stands in the ledger of events, in the order of their ids. */
async function outcomesOf(definition: Definition, eventIds: readonly string[]) {
  return database.sql`select k.event_id, o.outcome, o.reason, o.run_id from actcore.event_outcomes o
    join actcore.event_keys k using (row_id) where o.activity_id = ${definition.id} and k.event_id = any(${[...eventIds]}) order by 1`;
}

const runsOf = ({ id }: Definition) => database.sql`
  select r.*, array(select event_id from actcore.flow_members m where m.window_id = r.window_id order by position) as events
  from actcore.runs r where activity_id = ${id} order by run_id`;
const windowsOf = ({ id }: Definition) => database.sql`
  select *, extract(epoch from closes_at - opened_at) * 1000 as open_ms, extract(epoch from closes_at - last_at) * 1000 as quiet_ms
  from actcore.flow_windows where activity_id = ${id} order by opened_at, window_id`;

/** As if all that is open had waited so long. */
const passTime = ({ id }: Definition, ms: number) => database.sql`
  update actcore.flow_windows set opened_at = opened_at - ${ms} * interval '1 ms', last_at = last_at - ${ms} * interval '1 ms',
    closes_at = closes_at - ${ms} * interval '1 ms' where activity_id = ${id} and closed_at is null`;

describe("a dedupe key", () => {
  const keyed = (window?: string) =>
    storeDefinition(database, {
      dedupe_key_strategy: { key: "event.payload.order", ...(window && { window }) },
    });

  test("belongs to the first event of a statement; later events are duplicates that name that event and until when it has the key", async () => {
    const definition = await keyed("1h");
    const [first, second, other] = await record(definition, [
      { payload: { order: 1 } },
      { payload: { order: 1 } },
      { payload: { order: 2 } },
    ]);
    expect([first?.outcome, second?.outcome, other?.outcome]).toEqual(["run", "duplicate", "run"]);
    expect([first?.owed, second?.owed, other?.owed]).toEqual([1, 0, 1]);
    const [later] = await record(definition, [{ payload: { order: 1 } }]);
    expect(later?.outcome).toBe("duplicate");
    expect(later?.reason).toMatch(`event ${first?.event_id} has the dedupe key 1 until 20`);
    expect(second?.reason).toBe(later?.reason as string);
    const stored = await outcomesOf(definition, [second?.event_id ?? ""]);
    expect([...stored]).toEqual([
      expect.objectContaining({ outcome: "duplicate", reason: second?.reason, run_id: null }),
    ]);
  });

  test("is free again when its window from the first acceptance is over, however many came in between", async () => {
    const definition = await keyed("1h");
    const event = { payload: { order: 1 } };
    await record(definition, [event]);
    const pass = (ms: number) => database.sql`
      update actcore.dedupe_keys set accepted_at = accepted_at - ${ms} * interval '1 ms',
        expires_at = expires_at - ${ms} * interval '1 ms' where activity_id = ${definition.id}`;
    await pass(3_500_000);
    expect(await record(definition, [event])).toMatchObject([{ outcome: "duplicate" }]);
    await pass(200_000);
    expect(await record(definition, [event, event])).toMatchObject([{ outcome: "run" }, { outcome: "duplicate" }]);
  });

  test("does not make a redelivered event a duplicate of itself: what was recorded is read", async () => {
    const definition = await keyed();
    const event_id = crypto.randomUUID();
    const event = { event_id, payload: { order: 1 } };
    const envelope = envelopeOf(event_id, { ...event, type: definition.name });
    expect(await record(definition, [event])).toMatchObject([{ outcome: "run", owed: 1 }]);
    const index = indexSubscriptions(await ledger.listSubscriptions());
    expect(await ledger.record([matchEvent(index, envelope)])).toMatchObject([
      { isNew: false, owed: [{ activity_id: definition.id }] },
    ]);
    expect(await record(definition, [{ payload: { order: 1 } }])).toMatchObject([
      { outcome: "duplicate", reason: `event ${event_id} has the dedupe key 1` },
    ]);
  });

  test("of the subject leaves events without one to their ids", async () => {
    const definition = await storeDefinition(database, { dedupe_key_strategy: "subject" });
    const events = [{ subject: "a" }, {}, { subject: "a" }, {}];
    expect((await record(definition, events)).map(({ outcome }) => outcome)).toEqual([
      "run",
      "run",
      "duplicate",
      "run",
    ]);
  });

  test("that four routers bring in one moment makes one run", async () => {
    const definition = await keyed("1h");
    const routers = [1, 2, 3, 4].map(() => createEventLedger(database.prepared));
    for (let order = 0; order < 25; order++) {
      // Each has two keys, in an order of its own.
      const rows = await Promise.all(
        routers.map((router, nth) => {
          const keys = [`a${order}`, `b${order}`];
          return record(
            definition,
            (nth % 2 ? keys : keys.toReversed()).map((key) => ({ payload: { order: key } })),
            router,
          );
        }),
      );
      expect(rows.flat().filter(({ owed }) => owed === 1)).toHaveLength(2);
      expect(rows.flat().filter(({ outcome }) => outcome === "duplicate")).toHaveLength(6);
    }
    const [row] =
      await database.sql`select count(*)::int as n from actcore.occurrences where activity_id = ${definition.id}`;
    expect(row?.n).toBe(50);
  });
});

describe("a window", () => {
  /** Closes what is due, as several workers do it at once; answers how many events each closed window of the definition had. */
  async function close({ id }: Definition): Promise<number[]> {
    const closed = await Promise.all([1, 2, 3].map(() => windows.closeDue(decideClosing)));
    return closed.flat().flatMap(({ activity_id, events }) => (activity_id === id ? [events] : []));
  }
  const numbered = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, n) => ({ payload: { n: from + n } }));

  test("of a debounce is put off by each event, up to its longest wait, and makes one run of all", async () => {
    const definition = await storeDefinition(database, { flow: { debounce: "1m", max_wait: "160s" } });
    const first = await record(definition, [{}, {}]);
    expect(first).toMatchObject([{ outcome: "collected", owed: 0 }, { outcome: "collected" }]);
    expect([...(await windowsOf(definition))]).toMatchObject([{ events: 2, quiet_ms: "60000.000000" }]);
    await passTime(definition, 40_000);
    const more = [
      ...(await record(definition, [{}])),
      ...(await passTime(definition, 50_000), await record(definition, [{}])),
    ];
    const [open] = await windowsOf(definition);
    expect(open).toMatchObject({ events: 4, quiet_ms: "60000.000000" });
    await passTime(definition, 50_000);
    more.push(...(await record(definition, [{}])));
    expect((await windowsOf(definition))[0]).toMatchObject({ events: 5, open_ms: "160000.000000" });
    expect(await close(definition)).toEqual([]);
    await passTime(definition, 21_000);
    expect(await close(definition)).toEqual([5]);
    const events = [...first, ...more].map(({ event_id }) => event_id);
    const [run, ...others] = await runsOf(definition);
    expect(others).toEqual([]);
    expect(run).toMatchObject({ status: "running", trigger: "event", event_id: events.at(-1), events });
    expect([...(await outcomesOf(definition, events))].map(({ outcome, run_id }) => [outcome, run_id])).toEqual(
      events.map(() => ["run", run?.run_id]),
    );
    // The next event begins another window.
    await record(definition, [{}]);
    expect(await windowsOf(definition)).toHaveLength(2);
  });

  test("of a batch closes when it is full or old, each with at most as many events as it may have", async () => {
    const definition = await storeDefinition(database, { flow: { batch: { size: 3, within: "10m" } } });
    await record(definition, numbered(1, 2));
    expect(await close(definition)).toEqual([]);
    await record(definition, numbered(3, 8));
    const sizes = [];
    for (let closed = await close(definition); closed.length > 0; closed = await close(definition))
      sizes.push(...closed);
    expect(sizes).toEqual([3, 3]);
    await passTime(definition, 599_000);
    expect(await close(definition)).toEqual([]);
    await passTime(definition, 2_000);
    expect(await close(definition)).toEqual([2]);
    const runs = await runsOf(definition);
    expect(runs.map(({ events }) => events.length)).toEqual([3, 3, 2]);
    expect(new Set(runs.flatMap(({ events }) => events)).size).toBe(8);
  });

  test("gathers the events of one key, and those whose key is null together", async () => {
    const definition = await storeDefinition(database, {
      flow: { debounce: { quiet: "1m", key: "event.payload.of" } },
    });
    const rows = await record(definition, [
      ...[{ payload: { of: "a" } }, { payload: { of: "b" } }, { payload: { of: "a" } }, { payload: { of: null } }],
      ...[{ payload: {} }, { payload: { of: [1] } }],
    ]);
    const collected = Array.from({ length: 4 }, () => "collected" as const);
    const failed = ["failed_expression", "failed_expression"] as const;
    expect(rows.map(({ outcome }) => outcome)).toEqual([...collected, ...failed]);
    expect((await windowsOf(definition)).map(({ flow_key, events }) => [flow_key, events]).sort()).toEqual([
      ['"a"', 2],
      ['"b"', 1],
      ["null", 1],
    ]);
  });

  test.each([
    ["disabled", { enabled: false }],
    ["deleted", undefined],
  ])("of a definition that is %s meanwhile makes no run, and its events say why", async (reason, change) => {
    const definition = await storeDefinition(database, { flow: { debounce: "1m" } });
    const [event] = await record(definition, [{}]);
    const store = createDefinitionStore(database.db);
    const disable = () => ({
      body: bodyOf(definition.name, { flow: { debounce: "1m" }, ...change }),
      enabled_override: null,
    });
    if (change) await store.change(definition.id, disable, BY_TEST);
    else await store.remove(definition.id, BY_TEST);
    await passTime(definition, 61_000);
    expect(await close(definition)).toEqual([1]);
    expect([...(await outcomesOf(definition, [event?.event_id ?? ""]))]).toMatchObject([
      { outcome: "skipped", reason, run_id: null },
    ]);
    expect([...(await windowsOf(definition))]).toMatchObject([{ reason, run_id: null }]);
    expect([...(await runsOf(definition))]).toEqual([]);
  });

  test("whose last event somebody has removed makes no run, and holds up none", async () => {
    const definition = await storeDefinition(database, { flow: { debounce: "1m" } });
    const [event] = await record(definition, [{}]);
    await database.sql`delete from actcore.events where event_id = ${event?.event_id ?? ""}`;
    await passTime(definition, 61_000);
    expect(await close(definition)).toEqual([1]);
    expect([...(await windowsOf(definition))]).toMatchObject([{ reason: "input_not_kept", run_id: null }]);
  });

  test("of an activity with gates makes a queued run, which is counted under the key of its last event", async () => {
    const definition = await storeDefinition(database, {
      flow: { debounce: "1m", max_concurrent_runs: { count: 1, key: "event.payload.n" } },
    });
    await record(definition, numbered(1, 2));
    await passTime(definition, 61_000);
    expect(await close(definition)).toEqual([2]);
    expect([...(await runsOf(definition))]).toMatchObject([{ status: "queued", flow_key: "2" }]);
  });

  test("gives its run all of its events, in their order, and so does a rerun, as long as all of them are kept", async () => {
    const each = { ...logTask("each"), for_each: "events", params: { message: "{{ index }} {{ item.payload.n }}" } };
    const count = { ...logTask("count"), params: { message: "{{ size(events) }} to {{ event.payload.n }}" } };
    const definition = await storeDefinition(database, {
      flow: { batch: { size: 3, within: "1h" } },
      task_templates: [each, count],
    });
    const events = await record(definition, numbered(1, 3));
    await close(definition);
    const [made] = await runsOf(definition);
    const messages = ["0 1", "1 2", "2 3", "3 to 3"];
    const claimAndRead = async (run_id: string) => {
      const workflow_id = crypto.randomUUID();
      const start = { activity_id: definition.id, trigger_event: { run_id } };
      const claim = await createTestSteps(database).claimRun({
        ...start,
        workflow_id,
        first_execution_run_id: workflow_id,
      });
      expect(claim).toMatchObject({ outcome: "claimed", closed: { status: "succeeded" } });
      return (await readTasks(database, { run_id }))
        .map(({ params }) => (params as { message: string }).message)
        .sort();
    };
    expect(await claimAndRead(made?.run_id)).toEqual(messages);
    const read = await createLedgerReader(database.db).findRun(made?.run_id);
    expect(read?.event_ids).toEqual(events.map(({ event_id }) => event_id));
    const { acceptRerun } = createAcceptanceLedger(database.db);
    const request = { run_id: made?.run_id, from: "start", version: "latest", actor: "test" } as const;
    expect(await claimAndRead((await acceptRerun(request)).run_id)).toEqual(messages);
    await database.sql`delete from actcore.events where event_id = ${events[0]?.event_id ?? ""}`;
    await expect(acceptRerun(request)).rejects.toMatchObject({ code: "input_not_kept" });
  });

  test("that four routers fill while three workers close it has each event once, in a run of at most its size", async () => {
    const definition = await storeDefinition(database, {
      flow: { batch: { size: 7, within: "1h", key: "event.payload.n % 3" } },
    });
    const routers = [1, 2, 3, 4].map(() => createEventLedger(database.prepared));
    let isOver = false;
    const closing = (async () => {
      while (!isOver) await close(definition);
    })();
    const rows = await Promise.all(
      routers.map(async (router, nth) => {
        const ids = [];
        for (let group = 0; group < 10; group++) {
          const events = numbered(nth, nth + 19);
          for (const row of await record(definition, nth % 2 ? events : events.toReversed(), router))
            ids.push(row.event_id);
        }
        return ids;
      }),
    );
    isOver = true;
    await closing;
    await passTime(definition, 3_600_000);
    while ((await close(definition)).length > 0);
    const runs = await runsOf(definition);
    const events = runs.flatMap((run) => run.events);
    expect(events.toSorted()).toEqual(rows.flat().toSorted());
    expect(Math.max(...runs.map((run) => run.events.length))).toBe(7);
    const outcomes = await outcomesOf(definition, rows.flat());
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["run"]));
    const byEvent = new Map(runs.flatMap((run) => run.events.map((id: string) => [id, run.run_id])));
    expect(outcomes.every(({ event_id, run_id }) => byEvent.get(event_id) === run_id)).toBe(true);
  });
});
