/** Due times on the real ledger: what the engine did not start is run or gets its reason, and REST tells which. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { segmentsOf } from "../../src/occurrence/definition-history.ts";
import type { Absence } from "../../src/occurrence/due-facts.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createDueTimeReader } from "../../src/postgres/explain/due-time-reader.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createDueLedger } from "../../src/postgres/schedule/due-ledger.ts";
import type { OwedRun } from "../../src/run/engine.ts";
import { reconcile } from "../../src/schedule/reconciler.ts";
import { recordOf } from "../../src/schedule/settlement.ts";
import { createTestApi, definitionPath, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, claim, replace, storeDefinition } from "../support/ledger.ts";

const MINUTE_MS = 60_000;
let database: TestDatabase;
let api: TestApi;
/** A full minute about ten minutes ago: due time n is n minutes later. */
let start: Date;
/** How often the engine was asked about a schedule. */
let asked = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  start = new Date(Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS);
  // The definitions of other tests have nothing to do here.
  await database.sql`update actcore.definitions set deleted_at = created_at`;
});
afterAll(() => database?.close());

const minute = (n: number, second = 0) => new Date(start.getTime() + n * MINUTE_MS + second * 1000);
const keyOf = (n: number) => minute(n).toISOString();

const everyMinute = (policy: object = {}) => ({ trigger_config: { trigger_type: "interval", every: "1m", ...policy } });

/** A definition that was written in minute `at`, and so has due times from then on. */
async function create(policy: object = {}, at = 0): Promise<Definition> {
  const definition = await storeDefinition(database, everyMinute(policy));
  await setWritten(definition.id, 1, minute(at, 1));
  return definition;
}

async function setWritten(id: string, version: number, at: Date) {
  const time = at.toISOString();
  await database.sql`update actcore.definition_versions set created_at = ${time} where definition_id = ${id} and version = ${version}`;
  if (version > 1) return;
  await database.sql`update actcore.definitions set created_at = ${time} where id = ${id}`;
  await database.sql`update actcore.due_progress set settled_until = ${time} where definition_id = ${id}`;
}

/** The schedule's start of due time n, `second` seconds late; much later where it is not said. */
async function startByEngine({ id }: Definition, n: number, second?: number) {
  const workflow = `activity-${id}-${keyOf(n)}`;
  const now = second === undefined ? new Date() : minute(n, second);
  const claimed = await claim(database, id, {}, { workflow, scheduled_for: keyOf(n), now });
  if (second === undefined) return claimed;
  await database.sql`update actcore.runs set fired_at = ${minute(n, second).toISOString()} where run_id = ${claimed.run_id}`;
  return claimed;
}

async function close(run_id: string, at: Date) {
  await createRunLedger(database.db).close({ run_id, failures: [] });
  await database.sql`update actcore.runs set finished_at = ${at.toISOString()} where run_id = ${run_id}`;
}

interface Round {
  paused?: boolean;
  idle?: boolean;
  absence?: Absence;
}

/** One round at `now`; each run that it owes is claimed and closed at once, as an idle worker would. */
async function reconcileAt(now: Date, { paused = false, idle = true, absence }: Round = {}) {
  const owed: OwedRun[] = [];
  const deps = {
    due: createDueLedger(database),
    watch: { begin: async () => absence, end: async () => {} },
    schedules: {
      async isPaused() {
        asked++;
        return paused;
      },
    },
    starter: {
      async start(run: OwedRun) {
        owed.push(run);
        if (!idle) return run.workflow_id;
        const { run_id } = await claim(database, run.activity_id, run.trigger_event, { workflow: run.workflow_id });
        await close(run_id, now);
        return run.workflow_id;
      },
    },
    metrics: createMetrics(),
    log: createLog("silent"),
  };
  await reconcile(deps, now, new AbortController().signal);
  return owed;
}

async function occurrences({ id }: Definition, from = 1, to = 6) {
  const query = `from=${keyOf(from)}&to=${keyOf(to)}`;
  const { status, body } = await api.get(`${definitionPath(id)}/occurrences?${query}`);
  expect(status).toBe(200);
  return body;
}
const outcomesOf = async (definition: Definition) =>
  (await occurrences(definition)).map(({ outcome, reason }: { outcome: string; reason: string | null }) =>
    reason === null ? outcome : `${outcome} ${reason}`,
  );

describe("after a gap of six due times", () => {
  const NOW = () => minute(6, 55);

  test("skip runs none that is later than its grace, and says that they were missed", async () => {
    const definition = await create({ misfire_grace: "50s" });
    expect(await reconcileAt(NOW())).toEqual([]);
    expect(await outcomesOf(definition)).toEqual(Array(6).fill("skipped missed"));
  });

  test.each(["60s", "1h"])("skip runs the latest one, which is within a grace of %s", async (misfire_grace) => {
    const definition = await create({ misfire_grace });
    expect(await reconcileAt(NOW())).toHaveLength(1);
    expect((await outcomesOf(definition)).slice(0, 5)).toEqual(Array(5).fill("skipped missed"));
    expect((await occurrences(definition, 6, 6))[0].run_id).not.toBeNull();
  });

  test("catchup runs each once, late", async () => {
    const definition = await create({ misfire_policy: "catchup" });
    const owed = await reconcileAt(NOW());
    expect(owed.map(({ workflow_id }) => workflow_id)).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => `activity-${definition.id}-${keyOf(n).replace(".000Z", "Z")}`),
    );
    expect(await outcomesOf(definition)).toEqual(Array(6).fill("late"));
    expect(await reconcileAt(NOW())).toEqual([]);
  });

  test("catchup has one run going at a time", async () => {
    await create({ misfire_policy: "catchup" });
    expect(await reconcileAt(NOW(), { idle: false })).toHaveLength(1);
    expect(await reconcileAt(NOW(), { idle: false })).toEqual([]);
  });

  test("compress runs the latest, which knows of the five others", async () => {
    const definition = await create({ misfire_policy: "compress" });
    const [run] = await reconcileAt(NOW());
    const outcomes = await occurrences(definition);
    expect(outcomes.map(({ outcome }: { outcome: string }) => outcome)).toEqual([...Array(5).fill("skipped"), "late"]);
    const { run_id } = outcomes[5];
    expect(outcomes.slice(0, 5)).toEqual(
      [1, 2, 3, 4, 5].map((n) => ({
        scheduled_for: keyOf(n),
        outcome: "skipped",
        reason: "compressed",
        run_id,
        run_status: null,
        delay_ms: null,
      })),
    );
    expect((await api.get(`/runs/${run_id}`)).body).toMatchObject({
      trigger: "interval",
      scheduled_for: keyOf(6),
      workflow_id: run?.workflow_id,
      context_snapshot: { compressed: { count: 5, first_due: keyOf(1), last_due: keyOf(5) } },
    });
  });

  test("what was disabled in it owes nothing since then", async () => {
    const definition = await create({ misfire_policy: "catchup" });
    const disabled = { ...everyMinute({ misfire_policy: "catchup" }), enabled: false };
    await replace(database, definition.id, bodyOf(definition.name, disabled));
    await setWritten(definition.id, 2, minute(3, 30));
    expect(await reconcileAt(NOW())).toEqual([]);
    expect(await outcomesOf(definition)).toEqual(Array(6).fill("skipped disabled"));
  });

  test("an edited definition is judged by each version for its own due times", async () => {
    const definition = await create({ misfire_policy: "catchup" });
    const edited = everyMinute({ misfire_policy: "skip", misfire_grace: "50s" });
    await replace(database, definition.id, bodyOf(definition.name, edited));
    await setWritten(definition.id, 2, minute(3, 30));
    expect(await reconcileAt(NOW())).toHaveLength(3);
    expect(await outcomesOf(definition)).toEqual([...Array(3).fill("late"), ...Array(3).fill("skipped missed")]);
  });

  test("what somebody paused in the engine is skipped as paused", async () => {
    const definition = await create({ misfire_policy: "compress" });
    expect(await reconcileAt(NOW(), { paused: true })).toEqual([]);
    expect(await outcomesOf(definition)).toEqual(Array(6).fill("skipped paused"));
  });

  test("a deleted definition runs nothing", async () => {
    const { id } = await create({ misfire_policy: "catchup" });
    await createDefinitionStore(database.db).remove(id, BY_TEST);
    expect(await reconcileAt(NOW())).toEqual([]);
  });
});

test("what the engine starts is left alone, and told with its delay", async () => {
  const definition = await create();
  for (const n of [1, 2, 3, 4, 5, 6]) await close((await startByEngine(definition, n, n)).run_id, minute(n, 10));
  expect(await reconcileAt(minute(6, 30))).toEqual([]);
  const outcomes = await occurrences(definition);
  expect(outcomes.map(({ delay_ms }: { delay_ms: number }) => delay_ms)).toEqual(
    [1, 2, 3, 4, 5, 6].map((n) => n * 1000),
  );
  expect(await outcomesOf(definition)).toEqual(Array(6).fill("run"));
});

test("an overlap under compress goes into the next run, and does not run beside it", async () => {
  const definition = await create({ misfire_policy: "compress" });
  await close((await startByEngine(definition, 1, 0)).run_id, minute(3, 30));
  await close((await startByEngine(definition, 4, 0)).run_id, minute(4, 1));
  expect(await reconcileAt(minute(4, 40))).toEqual([]);
  const outcomes = await occurrences(definition, 1, 4);
  expect(outcomes.map(({ outcome }: { outcome: string }) => outcome)).toEqual(["run", "skipped", "skipped", "run"]);
  expect((await api.get(`/runs/${outcomes[3].run_id}`)).body.context_snapshot).toMatchObject({
    compressed: { count: 2 },
  });
});

test("an overlap is named, and the run that made it", async () => {
  const definition = await create();
  await close((await startByEngine(definition, 1, 0)).run_id, minute(3, 30));
  await reconcileAt(minute(3, 40));
  expect((await outcomesOf(definition)).slice(0, 3)).toEqual(["run", "skipped overlap", "skipped overlap"]);
});

test("a due time in an absence of everybody is missed, also where a run was open all the time", async () => {
  const definition = await create();
  await close((await startByEngine(definition, 1, 0)).run_id, minute(5, 20));
  await reconcileAt(minute(5, 40), { absence: { from: minute(2, 30), until: minute(4, 30) } });
  expect((await outcomesOf(definition)).slice(0, 5)).toEqual([
    ...["run", "skipped overlap", "skipped missed", "skipped missed", "skipped overlap"],
  ]);
});

test("a single hole under skip is run within the grace", async () => {
  const definition = await create({ misfire_grace: "45s" });
  await close((await startByEngine(definition, 1, 0)).run_id, minute(1, 1));
  expect(await reconcileAt(minute(2, 40))).toHaveLength(1);
  expect((await outcomesOf(definition)).slice(0, 2)).toEqual(["run", "late"]);
});

describe("a definition that was changed while nobody looked", () => {
  test("refuses what was due while it was disabled", async () => {
    const definition = await create({ misfire_policy: "catchup" });
    const change = (body: object) => replace(database, definition.id, bodyOf(definition.name, body));
    await change({ ...everyMinute({ misfire_policy: "catchup" }), enabled: false });
    await setWritten(definition.id, 2, minute(2, 30));
    await change(everyMinute({ misfire_policy: "catchup" }));
    await setWritten(definition.id, 3, minute(4, 30));
    expect(await startByEngine(definition, 3)).toMatchObject({ outcome: "skipped", reason: "disabled" });
    expect(await startByEngine(definition, 2)).toMatchObject({ outcome: "claimed" });
  });

  test("judges what was due before by what it said then", async () => {
    const definition = await create({ misfire_policy: "catchup" });
    await replace(database, definition.id, bodyOf(definition.name, everyMinute()));
    await setWritten(definition.id, 2, minute(3, 30));
    expect(await startByEngine(definition, 3)).toMatchObject({ outcome: "claimed" });
    expect(await startByEngine(definition, 4)).toMatchObject({ outcome: "skipped", reason: "missed" });
  });

  test("compresses into what is due by the version in force then, and into nothing else", async () => {
    const policy = { misfire_policy: "compress" };
    const seldom = everyMinute({ every: "30d", ...policy });
    const [ended, again] = [await create(policy), await create(policy)];
    for (const { id, name } of [ended, again]) {
      await replace(database, id, bodyOf(name, seldom));
      await setWritten(id, 2, minute(1, 30));
    }
    await replace(database, again.id, bodyOf(again.name, everyMinute(policy)));
    await setWritten(again.id, 3, minute(3, 30));
    expect(await startByEngine(ended, 1)).toMatchObject({ outcome: "claimed" });
    expect(await startByEngine(again, 1)).toMatchObject({ outcome: "skipped", reason: "compressed" });
  });

  test("into one without a schedule is accounted for until then", async () => {
    const definition = await create();
    await replace(database, definition.id, bodyOf(definition.name));
    await setWritten(definition.id, 2, minute(4, 30));
    await reconcileAt(minute(6, 55));
    expect(await outcomesOf(definition)).toEqual(Array(4).fill("skipped missed"));
  });
});

test("an engine that is only some seconds late is not asked why", async () => {
  await create({ jitter: "20s" });
  asked = 0;
  await reconcileAt(minute(1, 29));
  expect(asked).toBe(0);
  await reconcileAt(minute(1, 31));
  expect(asked).toBe(1);
});

test("a pause that is over is remembered for what was due in it", async () => {
  const definition = await create({ misfire_policy: "catchup" });
  await reconcileAt(minute(3, 5), { paused: true });
  expect(await reconcileAt(minute(4, 20))).toHaveLength(1);
  expect((await outcomesOf(definition)).slice(0, 4)).toEqual([...Array(3).fill("skipped paused"), "late"]);
});

test("a version that came after the range changes nothing in it", async () => {
  const definition = await create({ misfire_policy: "catchup" });
  await replace(database, definition.id, bodyOf(definition.name, { ...everyMinute(), enabled: false }));
  await setWritten(definition.id, 2, minute(8));
  expect(await occurrences(definition, 1, 3)).toHaveLength(3);
});

test("the due times of a deleted definition are told until it was deleted", async () => {
  const definition = await create({ misfire_grace: "20s" });
  await reconcileAt(minute(3, 30));
  await createDefinitionStore(database.db).remove(definition.id, BY_TEST);
  await database.sql`update actcore.definitions set deleted_at = ${minute(3, 20).toISOString()} where id = ${definition.id}`;
  expect(await outcomesOf(definition)).toEqual(Array(3).fill("skipped missed"));
});

describe("what the engine starts too late", () => {
  test("is skipped at the claim, with its reason", async () => {
    const definition = await create();
    expect(await startByEngine(definition, 1)).toMatchObject({ outcome: "skipped", reason: "missed" });
    expect(await startByEngine(await create({ misfire_policy: "compress" }), 1)).toMatchObject({
      reason: "compressed",
    });
    expect((await outcomesOf(definition))[0]).toBe("skipped missed");
  });

  test("is run under catchup", async () => {
    expect(await startByEngine(await create({ misfire_policy: "catchup" }), 1)).toMatchObject({ outcome: "claimed" });
  });

  test("and was recorded by the reconciler is not run a second time", async () => {
    const definition = await create({ misfire_policy: "catchup" });
    const [first] = await reconcileAt(minute(1, 50));
    expect(first).toBeDefined();
    expect(await startByEngine(definition, 1)).toMatchObject({ outcome: "duplicate" });
  });
});

describe("a backfill", () => {
  const backfill = (id: string, from: number, to: number, rest: object = {}) =>
    api.post(`${definitionPath(id)}/backfill`, { from: keyOf(from), to: keyOf(to), ...rest });

  test("runs what did not run, and nothing a second time", async () => {
    const definition = await create();
    await reconcileAt(minute(6, 55));
    const ran = await create();
    await close((await startByEngine(ran, 9, 0)).run_id, minute(9, 1));
    const { status, body } = await backfill(definition.id, 2, 4);
    expect([status, body.due, body.already_run]).toEqual([202, 3, 0]);
    expect(body.runs.map(({ scheduled_for }: { scheduled_for: string }) => scheduled_for)).toEqual(
      [2, 3, 4].map(keyOf),
    );
    expect((await api.get(`/runs/${body.runs[0].run_id}`)).body).toMatchObject({
      trigger: "backfill",
      scheduled_for: keyOf(2),
    });
    expect((await backfill(definition.id, 1, 4)).body).toMatchObject({ due: 4, already_run: 3 });
    expect((await backfill(definition.id, 1, 4)).body).toMatchObject({ due: 4, already_run: 4, runs: [] });
  });

  test("is run by its own workflow, not by one that the schedule starts meanwhile", async () => {
    const definition = await create({ misfire_policy: "catchup" });
    const [run] = (await backfill(definition.id, 2, 2)).body.runs;
    expect(await startByEngine(definition, 2)).toMatchObject({ outcome: "duplicate", run_id: run.run_id });
    const claimed = await claim(database, definition.id, { run_id: run.run_id }, { workflow: run.workflow_id });
    expect(claimed).toMatchObject({ outcome: "claimed", run_id: run.run_id });
  });

  test("runs a due time whose run was skipped", async () => {
    const definition = await create();
    const skipped = await startByEngine(definition, 1);
    expect(skipped.outcome).toBe("skipped");
    const { body } = await backfill(definition.id, 1, 1);
    expect(body.runs).toHaveLength(1);
    const claimed = await claim(database, definition.id, { run_id: body.runs[0].run_id });
    expect(claimed).toMatchObject({ outcome: "claimed", run_id: body.runs[0].run_id });
    expect((await outcomesOf(definition))[0]).toBe("late");
  });

  test("only tells what it would run when it is dry", async () => {
    const definition = await create();
    const { status, body } = await backfill(definition.id, 1, 3, { dry_run: true });
    expect([status, body]).toEqual([
      200,
      { dry_run: true, due: 3, already_run: 0, runs: [1, 2, 3].map((n) => ({ scheduled_for: keyOf(n) })) },
    ]);
    expect((await occurrences(definition))[0].run_id).toBeNull();
  });

  test.each<[what: string, body: object, path: string]>([
    ["a range in the future", { from: "2020-01-01T00:00:00Z", to: "2999-01-01T00:00:00Z" }, "/to"],
    ["a range from its end", { from: "2020-01-02T00:00:00Z", to: "2020-01-01T00:00:00Z" }, "/from"],
    ["a range of long ago", { from: "0001-01-01T00:00:00Z", to: "2020-01-01T00:00:00Z" }, "/from"],
    ["no range", {}, "/from"],
    ["more than it can take", { from: "2020-01-01T00:00:00Z", to: "2020-02-01T00:00:00Z" }, "/to"],
  ])("of %s is refused", async (_, body, path) => {
    const { id } = await create();
    const answer = await api.post(`${definitionPath(id)}/backfill`, body);
    expect([answer.status, answer.body.errors[0].path]).toEqual([400, path]);
  });
});

test("the due times of a range are paged", async () => {
  const { id } = await create();
  const first = await api.get(`${definitionPath(id)}/occurrences?from=${keyOf(1)}&to=${keyOf(5)}&limit=2`);
  expect(first.body.map(({ scheduled_for }: { scheduled_for: string }) => scheduled_for)).toEqual([keyOf(1), keyOf(2)]);
  const all = await api.listAll(
    `${definitionPath(id)}/occurrences?from=${keyOf(1)}&to=${keyOf(5)}&limit=2`,
    "scheduled_for",
  );
  expect(all).toEqual([1, 2, 3, 4, 5].map(keyOf));
});

test("what is still to come is upcoming", async () => {
  const { id } = await create();
  const to = new Date(Date.now() + 3 * MINUTE_MS).toISOString();
  const { body } = await api.get(`${definitionPath(id)}/occurrences?from=${new Date().toISOString()}&to=${to}`);
  expect(body.map(({ outcome }: { outcome: string }) => outcome)).toEqual(["upcoming", "upcoming", "upcoming"]);
});

test("a definition that was deleted before the range had no due times in it", async () => {
  const { id } = await create();
  await createDefinitionStore(database.db).remove(id, BY_TEST);
  await setWritten(id, 2, minute(3));
  await database.sql`update actcore.definitions set deleted_at = ${minute(3).toISOString()} where id = ${id}`;
  const { status, body } = await api.get(`${definitionPath(id)}/occurrences?from=${keyOf(4)}&to=${keyOf(6)}`);
  expect([status, body]).toEqual([200, []]);
});

test("a range that is longer than clocks are known for is told as far as they are", async () => {
  const trigger_config = { trigger_type: "cron", cron_expression: "0 0 1 1 *" };
  const { id } = await storeDefinition(database, { trigger_config });
  const path = `${definitionPath(id)}/occurrences`;
  const { status, body } = await api.get(`${path}?from=0000-01-01T00:00:00Z&to=9999-12-31T00:00:00Z`);
  expect([status, body.length]).toEqual([200, 100]);
  expect(await api.get(`${path}?from=9999-01-01T00:00:00Z&to=9999-12-31T00:00:00Z`)).toMatchObject({
    status: 200,
    body: [],
  });
  expect(await api.get(`${path}?from=0000-01-01T00:00:00Z&to=0000-01-02T00:00:00Z`)).toMatchObject({
    status: 200,
    body: [],
  });
});

test("a deleted definition is looked at until it is accounted for, and no more", async () => {
  const { id } = await create({ every: "30d" });
  await createDefinitionStore(database.db).remove(id, BY_TEST);
  const listed = async () => (await createDueLedger(database).listActivities()).map((each) => each.activity_id);
  expect(await listed()).toContain(id);
  await reconcileAt(new Date(Date.now() + MINUTE_MS));
  expect(await listed()).not.toContain(id);
});

test("what is over is accounted for to its end, and looked at no more", async () => {
  const definition = await create({ misfire_policy: "catchup", ends_at: keyOf(3) });
  await database.sql`update actcore.definitions set updated_at = created_at where id = ${definition.id}`;
  expect(await reconcileAt(minute(6, 55))).toHaveLength(3);
  expect(await outcomesOf(definition)).toEqual(["late", "late", "late"]);
  const listed = await createDueLedger(database).listActivities();
  expect(listed.map((each) => each.activity_id)).not.toContain(definition.id);
});

test("what is due on a date that is left out is recorded as such, and not run later", async () => {
  const except = [minute(1), minute(9)].map((at) => at.toISOString().slice(0, 10));
  const definition = await create({ misfire_policy: "catchup", except });
  expect(await reconcileAt(minute(6, 55))).toEqual([]);
  expect(await outcomesOf(definition)).toEqual(Array(6).fill("skipped excepted"));
  const { status, body } = await api.get(
    `/occurrences?outcome=skipped&activity_id=${definition.id}&reason=excepted&since=${keyOf(0)}`,
  );
  expect([status, body.length]).toEqual([200, 6]);
});

test("a one-shot that is edited while it is settled is accounted for again", async () => {
  const once = (n: number) => ({ trigger_config: { trigger_type: "scheduled", run_at: keyOf(n) } });
  const definition = await storeDefinition(database, once(1));
  await setWritten(definition.id, 1, minute(0, 1));
  const due = createDueLedger(database);
  const [activity] = await due.listActivities();
  if (activity === undefined) throw new Error("it is not listed");
  await replace(database, definition.id, bodyOf(definition.name, once(60)));
  const segments = segmentsOf(activity, minute(2));
  await due.settle(definition.id, recordOf({ until: minute(1, 45), skips: [], again: false }, segments));
  expect(await due.listActivities()).toHaveLength(1);
});

test("our own pause, which the engine was not yet told to end, is nobody else's", async () => {
  const definition = await create({ misfire_policy: "catchup" });
  await database.sql`
    insert into actcore.schedule_projections (definition_id, version, plan_hash, paused, engine_hash)
    values (${definition.id}, 1, 'plan', true, 'engine')`;
  expect(await reconcileAt(minute(2, 30), { paused: true })).toHaveLength(2);
});

test("thousands of stretches are settled at once", async () => {
  const definition = await create({ every: "2s" });
  const due = createDueLedger(database);
  const skips = Array.from({ length: 12_000 }, (_, n) => {
    const at = new Date(minute(-1).getTime() - (12_000 - n) * 4_000);
    return { first_due: at, last_due: at, count: 1, reason: "overlap" as const };
  });
  await due.settle(definition.id, recordOf({ until: minute(-1), skips, again: false }, []));
  const [count] =
    await database.sql`select count(*)::integer as rows from actcore.due_skips where activity_id = ${definition.id}`;
  expect(count?.rows).toBe(12_000);
});

test("a page is told without the stretches behind it", async () => {
  const definition = await create();
  const due = createDueLedger(database);
  const skips = [1, 2, 3, 4, 5, 6].map((n) => {
    return { first_due: minute(n), last_due: minute(n), count: 1, reason: n % 2 === 0 ? "overlap" : "missed" } as const;
  });
  await due.settle(definition.id, recordOf({ until: minute(6), skips, again: false }, []));
  const facts = await createDueTimeReader(database.db).readDueTimes(definition.id, minute(1), minute(6), 2);
  expect(facts?.skips.map(({ first_due }) => first_due)).toEqual([1, 2, 3].map((n) => minute(n)));
  expect(await outcomesOf(definition)).toEqual(skips.map(({ reason }) => `skipped ${reason}`));
});
