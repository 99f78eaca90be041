/** `previous_run` and `events` sources, read from a real ledger. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RunFacts } from "../../src/context/source-type.ts";
import { firstUuidAt } from "../../src/kernel/stable-id.ts";
import { createPreviousRunReader } from "../../src/postgres/context/previous-run-reader.ts";
import { createRecordedEventReader } from "../../src/postgres/context/recorded-event-reader.ts";
import { resolveContext } from "../support/context.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { storeDefinition } from "../support/ledger.ts";

const BEGIN = Date.parse("2026-01-31T09:00:00Z");
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const at = (minute: number) => new Date(BEGIN + minute * 60_000);
/** An id that was made at that minute; `n` tells those of one minute apart. */
const idAt = (minute: number, n = 1) => firstUuidAt(at(minute)).replace(/.{12}$/, n.toString(16).padStart(12, "0"));

interface RunRow {
  status?: string;
  context?: string | null;
  sources?: string;
  tasks?: { key: string; instance?: number; status?: string; result?: string | null; error?: string }[];
}

/** A run of the activity that was fired at that minute and closed a second later. */
async function addRun(
  activity: string,
  minute: number,
  { status = "succeeded", context = "{}", sources = "[]", tasks = [] }: RunRow = {},
) {
  const run_id = crypto.randomUUID().replace(/^.{18}/, idAt(minute).slice(0, 18));
  const finished = status === "running" ? null : at(minute + 1 / 60);
  await database.sql`
    insert into actcore.runs (run_id, activity_id, activity_name, trigger, status, reason, fired_at, finished_at, trace_id,
      workflow_id, version_used, context_snapshot, context_sources)
    values (${run_id}, ${activity}, 'a', 'cron', ${status}, ${status === "failed" ? "task_failed" : null}, ${at(minute).toISOString()},
      ${finished?.toISOString() ?? null}, 't', 'w', 1, ${context}::text::json, ${sources}::text::json)`;
  for (const { key, instance = null, status: ended = "succeeded", result = null, error = null } of tasks)
    await database.sql`
      insert into actcore.tasks (task_id, run_id, activity_id, key, instance, type, status, params, policy, result, error)
      values (gen_random_uuid(), ${run_id}, ${activity}, ${key}, ${instance}, 'log', ${ended}, '{}', '{}',
        ${result}::text::json, ${error}::text::json)`;
  return run_id;
}

const runAt = (activity_id: string, minute: number): RunFacts => ({
  activity_id,
  run_id: idAt(minute),
  fired_at: at(minute),
});

async function resolve(source: object, run: RunFacts) {
  const { db } = database;
  const deps = { previousRuns: createPreviousRunReader(db), recordedEvents: createRecordedEventReader(db) };
  const { values, sources } = await resolveContext([{ name: "a", optional: true, ...source }], deps, { run });
  return { value: values.a as Record<string, unknown> & { runs: { run_id: string }[] }, report: sources[0] };
}

describe("previous runs", () => {
  const read = async (source: object, run: RunFacts) => (await resolve({ type: "previous_run", ...source }, run)).value;

  test("are the closed ones of this activity before this run, the newest first, without those that were skipped", async () => {
    const activity = crypto.randomUUID();
    const other = await addRun(crypto.randomUUID(), 5);
    const first = await addRun(activity, 1, { status: "failed" });
    const second = await addRun(activity, 2);
    await addRun(activity, 3, { status: "skipped" });
    const cancelled = await addRun(activity, 4, { status: "cancelled" });
    await addRun(activity, 5, { status: "running" });
    await addRun(activity, 12);
    const idsOf = async (source: object) => (await read(source, runAt(activity, 10))).runs.map(({ run_id }) => run_id);
    expect(await idsOf({ last: 20 })).toEqual([cancelled, second, first]);
    expect(await idsOf({})).toEqual([cancelled]);
    expect(await idsOf({ last: 2, outcome: "succeeded" })).toEqual([second]);
    expect(await idsOf({ outcome: "failed" })).toEqual([first]);
    expect(await idsOf({ last: 20 })).not.toContain(other);
    expect(await read({ select: "run == null" }, runAt(crypto.randomUUID(), 10))).toBe(true as never);
  });

  test("have their times, how they ended, context and results, with every digit", async () => {
    const activity = crypto.randomUUID();
    const run_id = await addRun(activity, 1, {
      status: "failed",
      context: '{"account": {"id": 9007199254740993, "text": "a\\u0000b"}}',
      tasks: [
        { key: "mail", instance: 1, result: '{"n": 1e400}' },
        { key: "mail", instance: 0, result: '"zero"' },
        { key: "report", status: "failed", error: '{"code": "http_status", "message": "500"}' },
        { key: "__proto__", result: "true" },
      ],
    });
    const { run } = await read({}, runAt(activity, 10));
    expect(JSON.parse(JSON.stringify(run))).toMatchObject({
      ...{ run_id, status: "failed", reason: "task_failed", error: null, scheduled_for: null },
      fired_at: "2026-01-31T09:01:00.000Z",
      finished_at: "2026-01-31T09:01:01.000Z",
    });
    const text = JSON.stringify(run);
    expect(text).toContain('"context":{"account":{"id":9007199254740993,"text":"a\\u0000b"}}');
    expect(text).toContain(
      '"mail":[{"status":"succeeded","result":"zero","error":null},{"status":"succeeded","result":{"n":1e+400},"error":null}]',
    );
    expect(text).toContain('"report":{"status":"failed","result":null,"error":{"code":"http_status","message":"500"}}');
    expect(text).toContain('"__proto__":{"status":"succeeded","result":true,"error":null}');
  });

  test("do not have in them what they read of the runs before them", async () => {
    const activity = crypto.randomUUID();
    await addRun(activity, 1, {
      context: '{"before": {"run": {"context": {}}}, "account": {"id": 1}}',
      sources: '[{"name": "before", "type": "previous_run"}, {"name": "account", "type": "http"}]',
    });
    expect(await read({ select: "run.context" }, runAt(activity, 10))).toEqual({ account: { id: 1 } } as never);
  });

  test("may be of another activity, by the name that it has now", async () => {
    const { id, name } = await storeDefinition(database);
    await addRun(id, 1);
    expect(await read({ of: name, select: "run.status" }, runAt(crypto.randomUUID(), 10))).toBe("succeeded" as never);
    const { report } = await resolve({ type: "previous_run", of: "nobody" }, runAt(id, 10));
    expect(report).toMatchObject({ code: "activity_unknown", error: 'there is no activity "nobody"', attempts: 1 });
  });

  test("that are too large are named with their size, and not sent", async () => {
    const activity = crypto.randomUUID();
    const tasks = Array.from({ length: 80 }, (_, n) => ({ key: `k${n}`, result: JSON.stringify("x".repeat(16_000)) }));
    await addRun(activity, 1, { tasks });
    const { report } = await resolve({ type: "previous_run" }, runAt(activity, 10));
    expect(report?.error).toMatch(/^its answer has 1\d{6} bytes: at most 1048576 are read. Read fewer runs/);
  });
});

describe("events", () => {
  const read = async (source: object, run: RunFacts) => (await resolve({ type: "events", ...source }, run)).value;
  let types = 0;
  /** A type that no other test has. */
  const newType = (rest = "") => `t${++types}.x${crypto.randomUUID().slice(0, 8)}${rest}`;

  let events = 0;
  async function addEvent(type: string, minute: number, payload = "{}", outcome = "dispatched") {
    const event_id = `e${++events}`;
    await database.sql`
      insert into actcore.events (row_id, event_id, outcome, type, source, subject, occurred_at, trace_id, payload)
      values (${idAt(minute, events)}, ${event_id}, ${outcome}, ${type}, 'shop', 's', '2026-01-31T09:00:00Z', 't', ${payload}::text::json)`;
    return event_id;
  }

  test("are counted since the last run that was not skipped, up to this run's start", async () => {
    const [activity, type] = [crypto.randomUUID(), newType()];
    for (const minute of [1, 4, 6, 9, 11]) await addEvent(type, minute);
    await addEvent(type, 7, "{}", "unmatched");
    await addEvent(type, 7, "{}", "dead_lettered");
    const question = { event_type: type, last: 0 };
    expect(await read(question, runAt(activity, 10))).toEqual({
      count: 5,
      capped: false,
      since: null,
      events: [],
    } as never);
    await addRun(activity, 3);
    await addRun(activity, 5, { status: "running" });
    await addRun(activity, 8, { status: "skipped" });
    const sinceFive = { count: 3, since: "2026-01-31T09:05:00.000Z" };
    expect(await read(question, runAt(activity, 10))).toMatchObject(sinceFive);
    expect(await read({ ...question, since: "3m" }, runAt(activity, 10))).toMatchObject({ count: 2 });
    expect(await read({ ...question, since: "24h", filters: { a: 1 } }, runAt(activity, 10))).toMatchObject({
      count: 0,
    });
  });

  test("of two runs that follow each other are counted once", async () => {
    const [activity, type] = [crypto.randomUUID(), newType()];
    await addEvent(type, 5);
    const countAt = async (minute: number) => (await read({ event_type: type }, runAt(activity, minute))).count;
    expect(await countAt(5)).toBe(0);
    await addRun(activity, 5);
    expect(await countAt(8)).toBe(1);
    await addRun(activity, 8);
    expect(await countAt(9)).toBe(0);
  });

  test("that came last are answered whole, the oldest first", async () => {
    const type = newType();
    const ids: string[] = [];
    for (const n of [1, 2, 3, 4]) ids.push(await addEvent(type, n, `{"n": 900719925474099${n}, "text": "\\u0000"}`));
    const { events: latest } = await read({ event_type: type, last: 2 }, runAt(crypto.randomUUID(), 10));
    const common = `"type":"${type}","source":"shop","subject":"s","occurred_at":"2026-01-31T09:00:00Z"`;
    expect(JSON.stringify(latest)).toBe(
      `[{"event_id":"${ids[2]}",${common},"payload":{"n":9007199254740993,"text":"\\u0000"}},` +
        `{"event_id":"${ids[3]}",${common},"payload":{"n":9007199254740994,"text":"\\u0000"}}]`,
    );
  });

  test("of a pattern are those of every type that it means", async () => {
    const type = newType();
    for (const rest of ["", ".a", ".b", ".a.b", "x"]) await addEvent(type + rest, 1, `{"rest": "${rest}"}`);
    const restsOf = async (event_type: string) => {
      const { count, events: latest } = await read({ event_type, last: 50 }, runAt(crypto.randomUUID(), 10));
      return [count, (latest as { payload: { rest: string } }[]).map(({ payload }) => payload.rest)];
    };
    expect(await restsOf(`${type}.*`)).toEqual([2, [".a", ".b"]]);
    expect(await restsOf(`${type}.**`)).toEqual([3, [".a", ".b", ".a.b"]]);
    expect(await restsOf(`${type}.*.b`)).toEqual([1, [".a.b"]]);
    expect(await restsOf(`nothing.${type}.*`)).toEqual([0, []]);
  });

  test("that pass the filters are counted, through all groups in which they are read", async () => {
    const type = newType();
    await database.sql`
      insert into actcore.events (row_id, event_id, outcome, type, source, occurred_at, trace_id, payload)
      select (${idAt(9.5).slice(0, 24)} || lpad(to_hex(n), 12, '0'))::uuid, ${`${type}-`} || n, 'dispatched', ${type}, 's', 'now', 't',
        json_build_object('n', n, 'tier', case when n % 3 = 0 then 'pro' else 'free' end, 'deep', json_build_object('even', n % 2 = 0),
          'text', case when n % 100 = 0 then repeat('x', 200000) end)
      from generate_series(1, 3000) n`;
    const {
      count,
      capped,
      events: latest,
    } = await read(
      { event_type: type, filters: { tier: ["pro", "team"], "deep.even": true }, last: 3 },
      runAt(crypto.randomUUID(), 10),
    );
    expect({ count, capped }).toEqual({ count: 500, capped: false });
    expect((latest as { payload: { n: number } }[]).map(({ payload }) => payload.n)).toEqual([2988, 2994, 3000]);
  });

  test("whose payloads are too large are named with their size", async () => {
    const type = newType();
    for (const n of [1, 2, 3]) await addEvent(type, n, JSON.stringify({ text: "x".repeat(500_000) }));
    for (const filters of [{}, { text: ["x".repeat(500_000)] }]) {
      const run = runAt(crypto.randomUUID(), 10);
      const { report } = await resolve({ type: "events", event_type: type, filters }, run);
      expect(report?.code).toBe("source_too_large");
      expect(report?.error).toMatch(/150\d{4} bytes: at most 1048576 are read. Read fewer events/);
      expect(await read({ event_type: type, filters, last: 0 }, run)).toMatchObject({ count: 3 });
    }
  });
});
