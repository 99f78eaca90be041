import { afterAll, beforeAll, expect, test } from "bun:test";
import type { LedgerReader, Page, RunFilter, TaskFilter } from "../../src/explain/ledger-reader.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskLedger } from "../../src/postgres/run/task-ledger.ts";
import { plainRound } from "../../src/run/task-instance.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { activityOf, claim, claimedRun, recordEvent, runOf } from "../support/ledger.ts";

let database: TestDatabase;
let reader: LedgerReader;
beforeAll(async () => {
  database = await createTestDatabase();
  reader = createLedgerReader(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

/** A run that has made a log task of each key; `tasks` are their ids. */
async function decidedRun(keys: readonly string[]) {
  const { definition, run_id } = await claimedRun(database, keys);
  const round = plainRound(runOf(run_id), activityOf(definition));
  await createRunLedger(database.db).recordRound(run_id, round);
  return { definition, run_id, tasks: round.instances.map(({ task_id }) => task_id) };
}

const idsOf = async (filter: RunFilter, page: Page) =>
  (await reader.listRuns(filter, page)).map(({ run_id }) => run_id);

test("pages neither repeat nor lose a run while others are added", async () => {
  const { definition, run_id } = await claimedRun(database);
  const ids = [run_id];
  for (let n = 0; n < 6; n++) ids.unshift((await claim(database, definition.id)).run_id);
  const filter = { activity_id: definition.id };
  const seen = await idsOf(filter, { limit: 3 });
  while (seen.length < ids.length) {
    await claim(database, definition.id);
    const page = await idsOf(filter, { limit: 3, after: seen.at(-1) as string });
    expect(page).not.toEqual([]);
    seen.push(...page);
  }
  expect(seen).toEqual(ids);
  expect(await idsOf(filter, { limit: 3, after: seen.at(-1) as string })).toEqual([]);
});

test("runs are found by activity, status, trigger and time", async () => {
  const { definition, run_id } = await claimedRun(database);
  await createRunLedger(database.db).close({ run_id, failures: [] });
  const scheduled_for = "2026-01-31T09:30:00.000Z";
  await Bun.sleep(2); // the next id begins in another millisecond
  const since = new Date();
  const due = (await claim(database, definition.id, {}, { scheduled_for })).run_id;
  const activity_id = definition.id;
  const page = { limit: 10 };
  expect(await idsOf({ activity_id }, page)).toEqual([due, run_id]);
  expect(await idsOf({ activity_id, status: "succeeded" }, page)).toEqual([run_id]);
  expect(await idsOf({ activity_id, trigger: "cron" }, page)).toEqual([due]);
  expect(await idsOf({ activity_id, since }, page)).toEqual([due]);
  expect(await idsOf({ activity_id, since: new Date(Date.now() + 60_000) }, page)).toEqual([]);
});

test("tasks are found by run, activity and status, and paged", async () => {
  const { definition, run_id } = await decidedRun(["a", "b", "c"]);
  const all = await reader.listTasks({ run_id }, { limit: 10 });
  expect(all.map(({ key }) => key).sort()).toEqual(["a", "b", "c"]);
  const first = await reader.listTasks({ activity_id: definition.id, status: "pending" }, { limit: 2 });
  const rest = await reader.listTasks({ run_id }, { limit: 2, after: first.at(-1)?.task_id as string });
  expect([...first, ...rest]).toEqual(all);
  expect(await reader.listTasks({ run_id, status: "failed" }, { limit: 10 })).toEqual([]);
});

test("tasks of a template are found by its key, in a run and in an activity", async () => {
  const { definition, run_id } = await decidedRun(["a", "b"]);
  const keysOf = async (filter: TaskFilter) => (await reader.listTasks(filter, { limit: 10 })).map(({ key }) => key);
  expect(await keysOf({ run_id, key: "b" })).toEqual(["b"]);
  expect(await keysOf({ activity_id: definition.id, key: "a" })).toEqual(["a"]);
  expect(await keysOf({ run_id, key: "c" })).toEqual([]);
});

test("lists have no payloads, which a run, a task and an event have when they are read alone", async () => {
  const { definition, run_id } = await decidedRun(["a"]);
  const event_id = `e-${crypto.randomUUID()}`;
  await recordEvent(database, definition, event_id);
  const page = { limit: 1 };
  const [run] = await reader.listRuns({ activity_id: definition.id }, page);
  const [task] = await reader.listTasks({ run_id }, page);
  const [event] = await reader.listEvents({ type: "x" }, page);
  const read = [
    await reader.findRun(run_id),
    await reader.findTask(task?.task_id ?? ""),
    await reader.findEvent(event_id),
  ];
  const leftOut = [run, task, event].map((listed, n) => {
    const names = Object.keys(listed ?? {});
    return Object.keys(read[n] ?? {}).filter((name) => !names.includes(name));
  });
  expect(leftOut).toEqual([
    ["event_ids", "context_snapshot", "context", "templates", "tasks", "tasks_not_shown", "outcome_event"],
    ["params", "result", "output", "human"],
    ["attributes", "payload", "raw_base64", "activities", "replays", "refused"],
  ]);
});

test("a task that failed is listed without what the outside said", async () => {
  const { run_id, tasks } = await decidedRun(["a"]);
  const error = { code: "http_status", message: "answered 404", details: { status: 404, body: "a page" } };
  const [task_id = ""] = tasks;
  await createTaskLedger(database.db).fail(task_id, 1, error);
  const { details: _, ...short } = error;
  expect(await reader.listTasks({ run_id }, { limit: 1 })).toMatchObject([{ error: short }]);
  expect((await reader.findRun(run_id))?.tasks).toMatchObject([{ error: short }]);
  expect(await reader.findTask(task_id)).toMatchObject({ error });
});

test("a run is read with its tasks, how long they took, and how many of each template have which status", async () => {
  const { definition, run_id, tasks } = await decidedRun(["a", "b"]);
  const { sql } = database;
  const templates = [
    { key: "b", outcome: "made", count: 1 },
    { key: "a", outcome: "made", count: 1 },
  ];
  await sql`update actcore.runs set decisions = ${JSON.stringify({ round: 1, templates })}::json where run_id = ${run_id}`;
  const [succeeded = ""] = tasks;
  await sql`update actcore.tasks set status = 'succeeded', attempts = 2, started_at = created_at,
    finished_at = created_at + interval '1.5 s' where task_id = ${succeeded}`;
  const run = await reader.findRun(run_id);
  expect(run).toMatchObject({ status: "running", duration_ms: null, tasks_not_shown: 0 });
  expect(run?.templates).toMatchObject([
    { key: "b", tasks_by_status: { pending: 1 } },
    { key: "a", count: 1, reason: null, tasks_by_status: { succeeded: 1 } },
  ]);
  expect(run?.tasks).toMatchObject([
    { key: "b", status: "pending", duration_ms: null },
    { key: "a", status: "succeeded", attempts: 2, duration_ms: 1500, task_id: succeeded },
  ]);
  expect(await reader.findTask(succeeded)).toMatchObject({ activity_name: definition.name });
});

test("of a run with many tasks those that did not succeed are read with it, and the others are counted", async () => {
  const { run_id, definition } = await decidedRun(["a"]);
  await database.sql`
    insert into actcore.tasks (task_id, run_id, activity_id, key, instance, type, status, params, policy)
    select gen_random_uuid(), ${run_id}, ${definition.id}, 'z', n, 'log', case n % 100 when 0 then 'failed' else 'succeeded' end,
      '{}', '{}' from generate_series(1, 1000) n`;
  const run = await reader.findRun(run_id);
  expect(run?.tasks).toHaveLength(100);
  expect(run?.tasks.filter(({ status }) => status === "failed")).toHaveLength(10);
  expect(run?.tasks_not_shown).toBe(901);
});

test("open runs are counted", async () => {
  const before = await reader.countOpenRuns();
  const { run_id } = await claimedRun(database);
  expect(await reader.countOpenRuns()).toEqual({ ...before, running: before.running + 1 });
  await createRunLedger(database.db).close({ run_id, failures: [] });
  expect(await reader.countOpenRuns()).toEqual(before);
});

test("what is not there is not found", async () => {
  const id = crypto.randomUUID();
  expect([await reader.findRun(id), await reader.findTask(id), await reader.findEvent(id)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
