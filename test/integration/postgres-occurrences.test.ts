import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Definition } from "../../src/definition/schema.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import type { MatchedEvent } from "../../src/event/event-ledger.ts";
import { retryUntilDone } from "../../src/kernel/wait.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { claim, disable, envelopeOf, matchedEvent, recordEvent, storeDefinition } from "../support/ledger.ts";

const DUE = "2026-01-31T09:30:00.000Z";
let database: TestDatabase;
let definition: Definition;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  definition = await storeDefinition(database);
});
afterAll(() => database?.close());

const findRun = (id: string) => createLedgerReader(database.db).findRun(id);
const claimDue = (workflow: string) => claim(database, definition.id, {}, { workflow, scheduled_for: DUE });

/** The whole pool is connected: claims that are made at once also arrive at once. */
const connectAll = () => Promise.all(Array.from({ length: 10 }, () => database.sql`select pg_sleep(0.05)`));

const record = (event_id: string) => recordEvent(database, definition, event_id);

describe("an occurrence (I1)", () => {
  test("goes to the first who claims it: a run is opened on the definition's version", async () => {
    const { outcome, run_id } = await claimDue("first");
    expect(outcome).toBe("claimed");
    expect(await findRun(run_id)).toMatchObject({
      activity_id: definition.id,
      activity_name: definition.name,
      trigger: "cron",
      status: "running",
      scheduled_for: DUE,
      workflow_id: "first",
      version_used: 1,
      event_id: null,
      finished_at: null,
      tasks_spawned: null,
    });
  });

  test("stays with the same workflow when it asks again, and so does its version", async () => {
    const first = await claimDue("first");
    await disable(database, definition);
    expect(await claimDue("first")).toMatchObject({ outcome: "claimed", run_id: first.run_id });
    expect(await findRun(first.run_id)).toMatchObject({ status: "running", version_used: 1 });
  });

  test("is a duplicate to any other workflow, which is told the run that has it", async () => {
    const { run_id } = await claimDue("first");
    expect(await claimDue("second")).toMatchObject({ outcome: "duplicate", run_id });
  });

  test("that twenty workflows claim at once goes to exactly one", async () => {
    await connectAll();
    const claims = await Promise.all(Array.from({ length: 20 }, (_, n) => claimDue(`w${n}`)));
    expect(claims.filter(({ outcome }) => outcome === "claimed")).toHaveLength(1);
    expect(claims.filter(({ outcome }) => outcome === "duplicate")).toHaveLength(19);
    const runs = await createLedgerReader(database.db).listRuns({ activity_id: definition.id }, { limit: 10 });
    expect(runs).toHaveLength(1);
    expect(new Set(claims.map(({ run_id }) => run_id))).toEqual(new Set([runs[0]?.run_id as string]));
  });

  test("of an event has the run that the router recorded, whoever claims it", async () => {
    const event_id = `e-${crypto.randomUUID()}`;
    await record(event_id);
    const { outcome, run_id } = await claim(database, definition.id, { event_id }, { workflow: "first" });
    expect(outcome).toBe("claimed");
    expect(await createLedgerReader(database.db).findEvent(event_id)).toMatchObject({ activities: [{ run_id }] });
    expect(await findRun(run_id)).toMatchObject({ trigger: "event", event_id });
    expect(await claim(database, definition.id, { event_id })).toMatchObject({ outcome: "duplicate", run_id });
  });
});

describe("a run is skipped, with the reason, when the definition is", () => {
  test.each<[reason: string, column: string]>([
    ["disabled", "enabled"],
    ["deleted", "deleted_at"],
  ])("%s", async (reason, column) => {
    await database.sql`update actcore.definitions set ${database.sql({ [column]: column === "enabled" ? false : new Date().toISOString() })}
      where id = ${definition.id}`;
    const skipped = await claimDue("first");
    expect(skipped).toMatchObject({ outcome: "skipped", reason });
    expect(await findRun(skipped.run_id)).toMatchObject({ status: "skipped", reason, finished_at: expect.any(String) });
    expect(await claimDue("first")).toMatchObject({ outcome: "skipped", reason, run_id: skipped.run_id });
    expect(await claimDue("second")).toMatchObject({ outcome: "duplicate", run_id: skipped.run_id });
  });
});

describe("a claim that comes again after its run was swept", () => {
  /** As retention leaves it: the occurrence outlives its run. */
  const sweepRuns = () => database.sql`delete from actcore.runs where activity_id = ${definition.id}`;
  const runsOf = () => createLedgerReader(database.db).listRuns({ activity_id: definition.id }, { limit: 10 });

  test("is a duplicate, and opens nothing", async () => {
    const { run_id } = await claimDue("first");
    await sweepRuns();
    expect(await claimDue("first")).toMatchObject({ outcome: "duplicate", run_id });
    expect(await runsOf()).toEqual([]);
  });

  test("by a foreign workflow that runs anew, is a duplicate too", async () => {
    const { run_id } = await claim(database, definition.id, { v: 1 }, { workflow: "cron" });
    await sweepRuns();
    expect(await claim(database, definition.id, { v: 1 }, { workflow: "cron" })).toMatchObject({
      outcome: "duplicate",
      run_id,
    });
    expect(await runsOf()).toEqual([]);
  });
});

describe("the commit of a claim", () => {
  /** Whether it waits for the disk. */
  async function durabilityOf(body: (inner: TestDatabase) => Promise<unknown>): Promise<string> {
    return database.db.transaction(async (tx) => {
      await body({ ...database, db: tx as unknown as TestDatabase["db"] });
      const [row] = await tx.execute<{ synchronous_commit: string }>(sql`show synchronous_commit`);
      return row?.synchronous_commit ?? "";
    });
  }

  test("does not wait: the decision's does, and takes it along", async () => {
    expect(await durabilityOf((inner) => claim(inner, definition.id, {}, { scheduled_for: DUE }))).toBe("off");
  });

  test("waits where it refuses, because no decision follows", async () => {
    const late = { scheduled_for: "2026-01-31T09:31:00.000Z" };
    const cron = { trigger_type: "cron", cron_expression: "* * * * *", misfire_policy: "skip", misfire_grace: "1s" };
    const { id } = await storeDefinition(database, { trigger_config: cron });
    expect(await durabilityOf((inner) => claim(inner, id, {}, late))).toBe("on");
    await disable(database, definition);
    expect(await durabilityOf((inner) => claim(inner, definition.id, {}, { scheduled_for: DUE }))).toBe("on");
  });
});

describe("a claim is refused when", () => {
  test.each([crypto.randomUUID(), "no uuid", ""])("there is no definition %j", async (id) => {
    await expect(claim(database, id)).rejects.toMatchObject({ code: "definition_not_found", name: "TerminalError" });
  });

  test("its event was never recorded", async () => {
    await expect(claim(database, definition.id, { event_id: "never" })).rejects.toMatchObject({
      code: "event_not_found",
      name: "TerminalError",
    });
    const runs = await createLedgerReader(database.db).listRuns({ activity_id: definition.id }, { limit: 1 });
    expect(runs).toEqual([]);
  });
});

describe("a foreign start", () => {
  test("has its envelope persisted with the run", async () => {
    const event_id = `f-${crypto.randomUUID()}`;
    const envelope = envelopeOf(event_id, { payload: { text: "a\u0000b" }, trace_id: "theirs" });
    const { run_id } = await claim(database, definition.id, envelope, { workflow: event_id });
    expect(await createLedgerReader(database.db).findEvent(event_id)).toMatchObject({
      outcome: "dispatched",
      trace_id: "theirs",
      payload: { text: "a\u0000b" },
      activities: [{ activity_id: definition.id, outcome: "run", run_id }],
    });
    expect(await findRun(run_id)).toMatchObject({ trigger: "event", event_id, trace_id: "theirs" });
  });

  test("with a bare payload is a manual run about an event of its own", async () => {
    const { run_id } = await claim(database, definition.id, { user: 7 });
    const run = await findRun(run_id);
    expect(run).toMatchObject({ trigger: "manual" });
    const event = await createLedgerReader(database.db).findEvent(run?.event_id ?? "");
    expect(event).toMatchObject({ payload: { user: 7 }, type: "actcore.foreign" });
  });

  test("of many activities with one envelope at once stores it once, and no start is lost", async () => {
    const ids = [definition.id];
    for (let n = 0; n < 7; n++) ids.push((await storeDefinition(database)).id);
    const envelope = envelopeOf(`f-${crypto.randomUUID()}`);
    await connectAll();
    const results = await Promise.allSettled(ids.map((id) => claim(database, id, envelope)));
    // A claim may meet another that is just storing the event; it is then told to come again.
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ name: "RetryableError" });
    const again = await Promise.all(
      results.map((result, n) =>
        result.status === "fulfilled" ? result.value : claim(database, ids[n] ?? "", envelope),
      ),
    );
    expect(again.map(({ outcome }) => outcome)).toEqual(ids.map(() => "claimed"));
  });

  describe("with the envelope of an event that also comes by the stream is the same run (I1)", () => {
    const ledger = () => createEventLedger(database.db);
    /** The event as the router matches it: it reaches the definition. */
    const matchedAs = (envelope: EventEnvelope): MatchedEvent => {
      const { id: activity_id, name: activity_name } = definition;
      return matchedEvent(envelope, { activity_id, activity_name, outcome: "run" });
    };
    const runsOf = () => createLedgerReader(database.db).listRuns({ activity_id: definition.id }, { limit: 10 });
    const newEnvelope = () => envelopeOf(`f-${crypto.randomUUID()}`);

    test("when the stream came first and its run has begun", async () => {
      const envelope = newEnvelope();
      await ledger().record([matchedAs(envelope)]);
      const { run_id } = await claim(database, definition.id, { event_id: envelope.event_id }, { workflow: "router" });
      expect(await claim(database, definition.id, envelope)).toMatchObject({ outcome: "duplicate", run_id });
      expect(await runsOf()).toHaveLength(1);
    });

    test("when the stream came first and its run has not begun: who claims first has it", async () => {
      const envelope = newEnvelope();
      await ledger().record([matchedAs(envelope)]);
      const { outcome, run_id } = await claim(database, definition.id, envelope, { workflow: "theirs" });
      expect(outcome).toBe("claimed");
      expect(await findRun(run_id)).toMatchObject({
        workflow_id: "theirs",
        trigger: "event",
        event_id: envelope.event_id,
      });
      const routers = await claim(database, definition.id, { event_id: envelope.event_id }, { workflow: "router" });
      expect(routers).toMatchObject({ outcome: "duplicate", run_id });
    });

    test("when the foreign start came first: the stream's copy owes no run, and a late start is a duplicate", async () => {
      const envelope = newEnvelope();
      const { run_id } = await claim(database, definition.id, envelope);
      expect(await ledger().record([matchedAs(envelope)])).toMatchObject([{ event_id: envelope.event_id, owed: [] }]);
      const late = await claim(database, definition.id, { event_id: envelope.event_id });
      expect(late).toMatchObject({ outcome: "duplicate", run_id });
      expect(await createLedgerReader(database.db).findEvent(envelope.event_id)).toMatchObject({
        activities: [{ activity_id: definition.id, outcome: "run", run_id }],
      });
    });

    test("when two foreign workflows bring it", async () => {
      const envelope = newEnvelope();
      const { run_id } = await claim(database, definition.id, envelope, { workflow: "one" });
      expect(await claim(database, definition.id, envelope, { workflow: "one" })).toMatchObject({ outcome: "claimed" });
      expect(await claim(database, definition.id, envelope, { workflow: "two" })).toMatchObject({
        outcome: "duplicate",
        run_id,
      });
    });

    test("when both come at once, many times over, while the key was taken by a start of another activity", async () => {
      const other = await storeDefinition(database);
      await connectAll();
      for (let round = 0; round < 20; round++) {
        const envelope = newEnvelope();
        if (round % 2 === 0) await claim(database, other.id, envelope);
        const foreign = (workflow: string) =>
          retryUntilDone(
            () => claim(database, definition.id, envelope, { workflow }),
            new AbortController().signal,
            () => {},
          );
        const router = async (workflow: string) => {
          await ledger().record([matchedAs(envelope)]);
          return claim(database, definition.id, { event_id: envelope.event_id }, { workflow });
        };
        const claims = await Promise.all([foreign("f1"), router("r1"), foreign("f2"), router("r2"), foreign("f3")]);
        expect(claims.filter((one) => one?.outcome === "claimed")).toHaveLength(1);
        expect(new Set(claims.map((one) => one?.run_id)).size).toBe(1);
        const event = await createLedgerReader(database.db).findEvent(envelope.event_id);
        expect(event?.activities).toContainEqual(
          expect.objectContaining({ activity_id: definition.id, outcome: "run", run_id: claims[0]?.run_id as string }),
        );
      }
      const [row] =
        await database.sql`select count(*)::int as n from actcore.runs where activity_id = ${definition.id}`;
      expect(row?.n).toBe(20);
    });
  });
});
