/** What commands keep in Postgres, and ask of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { runExplain } from "../../src/cli/explain.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createDefinitionSources } from "../../src/postgres/definition/definition-sources.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskOutputs } from "../../src/postgres/run/task-outputs.ts";
import { plainRound } from "../../src/run/task-instance.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import {
  activityOf,
  BY_TEST,
  bodyOf,
  claimedRun,
  envelopeOf,
  matchedEvent,
  readTasks,
  runOf,
  storeDefinition,
} from "../support/ledger.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

test("the output of the latest try is read with its task, and an earlier try changes nothing of it", async () => {
  const { definition, run_id } = await claimedRun(database, ["a"]);
  await createRunLedger(database.db).recordRound(run_id, plainRound(runOf(run_id), activityOf(definition)));
  const [task] = await readTasks(database, { run_id });
  const id = task?.task_id as string;
  const outputs = createTaskOutputs(database.db);
  const reader = createLedgerReader(database.db);
  expect((await reader.findTask(id))?.output).toBeNull();

  await outputs.keep(id, 1, { text: "first", bytes: 5, truncated: false });
  await outputs.keep(id, 2, { text: "␀ and \ufffd", bytes: 70_000, truncated: true });
  await outputs.keep(id, 1, { text: "first, late", bytes: 11, truncated: false });
  expect((await reader.findTask(id))?.output).toEqual({
    ...{ attempt: 2, text: "␀ and \ufffd", bytes: 70_000, truncated: true },
    updated_at: expect.any(String),
  });
  await outputs.keep(id, 2, { text: "last", bytes: 70_004, truncated: true });
  expect((await reader.findTask(id))?.output).toMatchObject({ attempt: 2, text: "last", bytes: 70_004 });
});

test("a definition is known to come from a file or not, also after it was deleted", async () => {
  const { isFromFile } = createDefinitionSources(database.db);
  const store = createDefinitionStore(database.db);
  const fromRest = await storeDefinition(database);
  const fromFile = await store.create(bodyOf(`d-${crypto.randomUUID()}`), "file:jobs.yaml", BY_TEST);
  expect(await isFromFile(fromRest.id)).toBe(false);
  expect(await isFromFile(fromFile.id)).toBe(true);
  await store.remove(fromFile.id, BY_TEST);
  expect(await isFromFile(fromFile.id)).toBe(true);
  expect(await isFromFile(crypto.randomUUID())).toBe(false);
});

test("actcore explain answers from the database, by names and UUIDs, for people and for programs", async () => {
  const { id, name } = await storeDefinition(database, {
    trigger_config: { trigger_type: "event", event_type: "x", filters: { tier: "pro" } },
  });
  const reason = 'payload.tier is "free", the filter wants "pro"';
  const match = { activity_id: id, activity_name: name, outcome: "filtered", reason } as const;
  const event = envelopeOf("told", { payload: { tier: "free" } });
  await createEventLedger(database.db).record([matchedEvent(event, match)]);
  async function explain(args: Record<string, string>, json = false) {
    const lines: string[] = [];
    const config = { ...loadConfig({}, {}), dbUrl: database.url };
    expect(await runExplain({ config, args, json, print: (line) => lines.push(line) })).toBe(0);
    return lines;
  }
  const [sentence, ...facts] = await explain({ event: "told", activity: name });
  expect(sentence).toStartWith(`${name} did not run on the event told, because ${reason}; `);
  expect(facts.join("\n")).toContain('  filter       tier: wants "pro", is "free"  <- does not hold');
  const [json] = await explain({ event: "told", activity: id }, true);
  expect(JSON.parse(json as string)).toMatchObject({ about: "event", outcome: "filtered", summary: sentence });
  expect((await explain({ activity: name }))[0]).toStartWith(
    `${name} waits for events of the type x: it has no due times; `,
  );
  for (const args of [{}, { event: "told", at: "2026-01-31T09:00:00Z" }, { activity: name, at: "yesterday" }])
    await expect(explain(args as Record<string, string>)).rejects.toMatchObject({ code: "usage" });
  await expect(explain({ event: "told", activity: "nobody" })).rejects.toMatchObject({ code: "definition_not_found" });
});
