import { afterAll, beforeAll, expect, test } from "bun:test";
import type { LedgerReader, Page, RunFilter } from "../../src/explain/ledger-reader.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { decideTasks } from "../../src/run/decide.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { activityOf, claim, claimedRun, runOf } from "../support/ledger.ts";

let database: TestDatabase;
let reader: LedgerReader;
beforeAll(async () => {
  database = await createTestDatabase();
  reader = createLedgerReader(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

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
  const { definition, run_id } = await claimedRun(database, ["a", "b", "c"]);
  await createRunLedger(database.db).recordDecision(run_id, decideTasks(runOf(run_id), activityOf(definition)));
  const all = await reader.listTasks({ run_id }, { limit: 10 });
  expect(all.map(({ key }) => key).sort()).toEqual(["a", "b", "c"]);
  const first = await reader.listTasks({ activity_id: definition.id, status: "pending" }, { limit: 2 });
  const rest = await reader.listTasks({ run_id }, { limit: 2, after: first.at(-1)?.task_id as string });
  expect([...first, ...rest]).toEqual(all);
  expect(await reader.listTasks({ run_id, status: "failed" }, { limit: 10 })).toEqual([]);
});

test("open runs are counted", async () => {
  const before = await reader.countOpenRuns();
  const { run_id } = await claimedRun(database);
  expect(await reader.countOpenRuns()).toBe(before + 1);
  await createRunLedger(database.db).close({ run_id, failures: [] });
  expect(await reader.countOpenRuns()).toBe(before);
});

test("what is not there is not found", async () => {
  const id = crypto.randomUUID();
  expect([await reader.findRun(id), await reader.findTask(id), await reader.findEvent(id)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
