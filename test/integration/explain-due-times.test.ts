/**
 * Two hundred due times that ran, or were skipped for each of the reasons, on the real ledger: what /explain says of each is what
 * the test made happen, and what the tables have of it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createDueLedger } from "../../src/postgres/schedule/due-ledger.ts";
import { scheduleId } from "../../src/schedule/plan.ts";
import { reconcile } from "../../src/schedule/reconciler.ts";
import { createTestApi, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { bodyOf, claim, envelopeOf, matchedEvent, replace, storeDefinition } from "../support/ledger.ts";

const MINUTE_MS = 60_000;
const DUE = Array.from({ length: 25 }, (_, n) => n + 1);
let database: TestDatabase;
let api: TestApi;
/** A full minute: due time n is n minutes later, and the last one a minute ago. */
let start: Date;
const ids: Record<string, string> = {};

const minute = (n: number, second = 0) => new Date(start.getTime() + n * MINUTE_MS + second * 1000);
const keyOf = (n: number) => minute(n).toISOString();
const everyMinute = (policy: object = {}) => ({ trigger_config: { trigger_type: "interval", every: "1m", ...policy } });

/** What has to be told of each due time, by activity: `outcome reason`. */
const EXPECTED: Record<string, (n: number) => string> = {
  ran: () => "run",
  missed: () => "skipped missed",
  caught_up: (n) => (n <= 20 ? "skipped outside_catchup_window" : "late"),
  compressed: (n) => (n < 25 ? "skipped compressed" : "late"),
  disabled: (n) => (n <= 12 ? "run" : "skipped disabled"),
  paused: () => "skipped paused",
  overlapping: (n) => (n === 1 || n > 20 ? "run" : "skipped overlap"),
  excepted: () => "skipped excepted",
};

async function create(name: string, rest: object) {
  const { id } = await storeDefinition(database, { name, ...rest });
  ids[name] = id;
  await setWritten(id, 1, minute(0, 1));
}

async function setWritten(id: string, version: number, at: Date) {
  const time = at.toISOString();
  await database.sql`update actcore.definition_versions set created_at = ${time} where definition_id = ${id} and version = ${version}`;
  if (version > 1) return;
  await database.sql`update actcore.definitions set created_at = ${time} where id = ${id}`;
  await database.sql`update actcore.due_progress set settled_until = ${time} where definition_id = ${id}`;
}

/** The schedule's start of due time n, two seconds late; the run ends `seconds` later in the way that n says. */
async function startByEngine(name: string, n: number, seconds = 5) {
  const id = ids[name] as string;
  const workflow = `activity-${id}-${keyOf(n)}`;
  const { run_id } = await claim(database, id, {}, { workflow, scheduled_for: keyOf(n), now: minute(n, 2) });
  const ends = [
    {},
    { interruption: { status: "cancelled" } },
    { interruption: { status: "failed", message: "broke" } },
  ] as const;
  await createRunLedger(database.db).close({ run_id, failures: [], ...ends[n % 3] });
  await database.sql`update actcore.runs set fired_at = ${minute(n, 2).toISOString()},
    finished_at = ${minute(n, 2 + seconds).toISOString()} where run_id = ${run_id}`;
}

/** One round, at a time when each due time had its fifteen seconds; what it owes is claimed and closed at once. */
async function reconcileAt(now: Date) {
  await reconcile(
    {
      due: createDueLedger(database),
      watch: { begin: async () => undefined, end: async () => {} },
      schedules: { isPaused: async (id) => id === scheduleId(ids.paused as string) },
      starter: {
        async start(run) {
          const { run_id } = await claim(database, run.activity_id, run.trigger_event, { workflow: run.workflow_id });
          await createRunLedger(database.db).close({ run_id, failures: [] });
          return run.workflow_id;
        },
      },
      metrics: createMetrics(),
      log: createLog("silent"),
    },
    now,
    new AbortController().signal,
  );
}

beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
  start = new Date(Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 26 * MINUTE_MS);
  const days = [...new Set(DUE.map((n) => keyOf(n).slice(0, 10)))];
  await create("ran", everyMinute());
  await create("missed", everyMinute({ misfire_grace: "50s" }));
  await create("caught_up", everyMinute({ misfire_policy: "catchup", catchup_window: "5m30s" }));
  await create("compressed", everyMinute({ misfire_policy: "compress" }));
  await create("disabled", everyMinute());
  await create("paused", everyMinute());
  await create("overlapping", everyMinute());
  await create("excepted", everyMinute({ except: days }));
  for (const n of DUE) {
    await startByEngine("ran", n);
    if (n <= 12) await startByEngine("disabled", n);
    if (n > 20) await startByEngine("overlapping", n);
  }
  await startByEngine("overlapping", 1, 19 * 60);
  await replace(database, ids.disabled as string, bodyOf("disabled", { ...everyMinute(), enabled: false }));
  await setWritten(ids.disabled as string, 2, minute(12, 30));
  await reconcileAt(minute(25, 55));
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const explain = async (name: string, at: string) => {
  const { status, body } = await api.get(`/explain?activity_id=name:${name}&at=${encodeURIComponent(at)}`);
  expect(status).toBe(200);
  return body;
};

describe("of two hundred due times", () => {
  test("the answer about each is what the test made happen, and what the tables have", async () => {
    const told: Record<string, string[]> = {};
    for (const name of Object.keys(EXPECTED)) {
      told[name] = [];
      for (const n of DUE) {
        const { outcome, due_time, run, summary } = await explain(name, keyOf(n));
        told[name].push(outcome === "skipped" ? `skipped ${due_time.reason}` : outcome);
        const [row] = await database.sql`
          select r.run_id, r.status, r.reason from actcore.occurrences o join actcore.runs r using (run_id)
          where o.activity_id = ${ids[name] as string} and o.kind = 'due' and o.key = ${keyOf(n)}`;
        const [skip] = await database.sql`
          select reason, into_run from actcore.due_skips where activity_id = ${ids[name] as string}
            and ${keyOf(n)}::timestamptz between first_due and last_due`;
        // That a version was disabled is told by the version: its due times have no row.
        const recorded = row?.reason ?? skip?.reason ?? (outcome === "skipped" ? "disabled" : null);
        expect([name, n, due_time.reason]).toEqual([name, n, recorded]);
        expect(run?.run_id).toBe(row?.run_id ?? skip?.into_run ?? undefined);
        expect(due_time.run_status).toBe(row?.status ?? null);
        if (row) expect(summary).toContain(row.run_id);
        expect(summary).toMatch(/^[^;.].*\.$/);
      }
    }
    for (const [name, expected] of Object.entries(EXPECTED))
      expect([name, told[name]]).toEqual([name, DUE.map(expected)]);
  });

  test("one that gave way to a run names that run, and how long it went", async () => {
    const { holder, summary } = await explain("overlapping", keyOf(7));
    expect(holder).toMatchObject({ scheduled_for: keyOf(1), finished_at: minute(20, 2).toISOString() });
    expect(summary).toContain(`the run before it, ${holder.run_id}, which ran from`);
  });
});

describe("a time", () => {
  test("at which nothing is due is told by what leaves it out, and by the due times around it", async () => {
    const told = await explain("ran", minute(3, 20).toISOString());
    expect(told).toMatchObject({
      outcome: "not_due",
      due_time: null,
      not_due: { field: "every" },
      previous: { scheduled_for: keyOf(3), outcome: "run" },
      next: { scheduled_for: keyOf(4), outcome: "run" },
      policy: { misfire_policy: "skip", misfire_grace_ms: 60_000, jitter_ms: 0, timezone: "UTC" },
    });
    expect(told.summary).toContain("which ran (");
  });

  test("that is to come is told with how long it takes, and whether it will run", async () => {
    const later = new Date(Date.now() + 600_000 - (Date.now() % MINUTE_MS)).toISOString();
    expect(await explain("ran", later)).toMatchObject({
      outcome: "upcoming",
      summary: expect.stringContaining("is due at"),
    });
    expect((await explain("disabled", later)).summary).toContain("will not run, because the definition is disabled");
    const { next } = await explain("excepted", keyOf(3));
    expect(next.outcome).toBe("upcoming");
  });

  test("that has just come, and is not accounted for, says who has it now", async () => {
    const { outcome, summary } = await explain("missed", keyOf(26));
    expect(outcome).toBe("pending");
    expect(summary).toContain("is not started yet");
  });

  test("from before the activity was there is told by when it was made", async () => {
    expect(await explain("ran", keyOf(-5))).toMatchObject({
      outcome: "not_there",
      activity: { in_force: null, current: { version: 1 } },
      summary: expect.stringContaining("was created later"),
      next: { scheduled_for: keyOf(1) },
    });
  });

  test("of which nothing is kept any more says so, with the run that there was", async () => {
    const [row] = await database.sql`select run_id from actcore.occurrences
      where activity_id = ${ids.ran as string} and key = ${keyOf(2)}`;
    await database.sql`delete from actcore.runs where run_id = ${row?.run_id}`;
    const told = await explain("ran", keyOf(2));
    expect(told.outcome).toBe("expired");
    expect(told.summary).toContain(`had the run ${row?.run_id}`);
    expect(told.summary).toContain("are kept for 90d");
  });

  test("of an activity that waits for events is told with the events around it", async () => {
    await storeDefinition(database, {
      name: "listens",
      trigger_config: { trigger_type: "event", event_type: "job.*" },
    });
    for (const n of [1, 2, 3]) {
      const match = {
        activity_id: crypto.randomUUID(),
        activity_name: "listens",
        outcome: "skipped",
        reason: "disabled",
      } as const;
      await createEventLedger(database.db).record([matchedEvent(envelopeOf(`j-${n}`, { type: "job.done" }), match)]);
    }
    const told = await explain("listens", new Date().toISOString());
    expect(told).toMatchObject({ outcome: "no_due_times", policy: null, due_time: null });
    expect(told.events.map(({ event_id }: { event_id: string }) => event_id)).toEqual(["j-1", "j-2", "j-3"]);
    expect(told.summary).toContain("waits for events of the type job.*");
  });
});
