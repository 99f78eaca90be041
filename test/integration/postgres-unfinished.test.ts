/** What a crash left half done, as the finisher finds it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import type { LedgerReader } from "../../src/explain/ledger-reader.ts";
import type { UnfinishedLedger } from "../../src/occurrence/finisher.ts";
import { eventWorkflowId } from "../../src/occurrence/occurrence.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, claim, claimedRun, recordEvent, storeDefinition } from "../support/ledger.ts";

let database: TestDatabase;
let unfinished: UnfinishedLedger;
let reader: LedgerReader;
let definition: Definition;
beforeAll(async () => {
  database = await createTestDatabase();
  unfinished = createUnfinishedLedger(database);
  reader = createLedgerReader(database.db);
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  await database.sql`truncate actcore.events, actcore.event_keys, actcore.event_outcomes, actcore.occurrences, actcore.runs`;
  definition = await storeDefinition(database);
});
afterAll(() => database?.close());

/** After everything that was made until now. */
async function fromNow(): Promise<Date> {
  await Bun.sleep(2); // the next id begins in another millisecond
  return new Date();
}

const record = (event_id: string) => recordEvent(database, definition, event_id);
const accept = () =>
  createAcceptanceLedger(database.db).acceptManual({ activity_id: definition.id, payload: {}, actor: "test" });
const owedRunOf = (event_id: string) => ({
  activity_id: definition.id,
  activity_name: definition.name,
  workflow_id: eventWorkflowId(definition.id, event_id),
  trigger_event: { event_id },
});

describe("an event that owes starts", () => {
  test("is listed with them, oldest first, until it is marked", async () => {
    for (const id of ["e1", "e2", "e3"]) await record(id);
    const before = await fromNow();
    const row_id = expect.any(String);
    const listed = await unfinished.listOwedEvents(before, 2);
    expect(listed).toEqual([
      { row_id, event_id: "e1", outcome: "received", owed: [owedRunOf("e1")] },
      { row_id, event_id: "e2", outcome: "received", owed: [owedRunOf("e2")] },
    ]);
    expect(await unfinished.listOwedEvents(before, 2, listed[1]?.row_id)).toMatchObject([{ event_id: "e3" }]);
    await createEventLedger(database.db).markDispatched(["e1", "e3"]);
    expect((await unfinished.listOwedEvents(before, 10)).map(({ event_id }) => event_id)).toEqual(["e2"]);
  });

  test("is not listed while it is young", async () => {
    const before = await fromNow();
    await record("young");
    expect(await unfinished.listOwedEvents(before, 10)).toEqual([]);
  });
});

describe("a run that nobody has claimed", () => {
  test("is listed with how to start it: an event's by the event, an accepted one by itself", async () => {
    const eventRun = await record("e");
    const { run_id, workflow_id } = await accept();
    const before = await fromNow();
    const activity = { activity_id: definition.id, activity_name: definition.name };
    expect(await unfinished.listUnclaimed(before, 10)).toEqual([
      { run_id: eventRun, ...owedRunOf("e") },
      { run_id, ...activity, workflow_id, trigger_event: { run_id } },
    ]);
    expect(await unfinished.listUnclaimed(before, 1, eventRun)).toMatchObject([{ run_id }]);
    await claim(database, definition.id, { event_id: "e" });
    await claim(database, definition.id, { run_id });
    expect(await unfinished.listUnclaimed(before, 10)).toEqual([]);
  });

  test("is not listed while it is young", async () => {
    const before = await fromNow();
    await accept();
    expect(await unfinished.listUnclaimed(before, 10)).toEqual([]);
  });

  test("of a deleted definition is listed too: its claim names the reason", async () => {
    const run_id = await record("e");
    await createDefinitionStore(database.db).remove(definition.id, BY_TEST);
    expect(await unfinished.listUnclaimed(await fromNow(), 10)).toMatchObject([{ run_id }]);
  });
});

test("open runs are listed oldest first, after a row, until they are closed", async () => {
  const runs: string[] = [];
  for (let n = 0; n < 3; n++) runs.push((await claimedRun(database)).run_id);
  const before = await fromNow();
  await claimedRun(database);
  const idsOf = async (...page: [limit: number, after?: string]) =>
    (await unfinished.listOpenRuns(before, ...page)).map(({ run_id }) => run_id);
  expect(await idsOf(10)).toEqual(runs);
  expect(await idsOf(1, runs[0])).toEqual(runs.slice(1, 2));
  await createRunLedger(database.db).close({ run_id: runs[1] ?? "", failures: [] });
  expect(await idsOf(10)).toEqual([runs[0] ?? "", runs[2] ?? ""]);
});

test("an accepted run that was never started is listed as unclaimed, and not as open", async () => {
  const { run_id } = await accept();
  const before = await fromNow();
  expect(await unfinished.listOpenRuns(before, 10)).toEqual([]);
  await claim(database, definition.id, { run_id });
  expect(await unfinished.listOpenRuns(before, 10)).toMatchObject([{ run_id }]);
});

test("an open run whose occurrence is not there any more is listed all the same", async () => {
  const { run_id } = await claimedRun(database);
  await database.sql`delete from actcore.occurrences where run_id = ${run_id}`;
  expect(await unfinished.listOpenRuns(await fromNow(), 10)).toMatchObject([{ run_id }]);
});

describe("a run whose workflow ended before it began", () => {
  const lost = { status: "failed", reason: "workflow_terminated", error: "its workflow ended before it began" };

  test("of an event is opened and closed at once, and can be claimed by nobody any more", async () => {
    const run_id = await record("e");
    await unfinished.recordLost({ run_id, ...owedRunOf("e") }, "workflow_terminated");
    expect(await reader.findRun(run_id)).toMatchObject({
      ...lost,
      activity_id: definition.id,
      activity_name: definition.name,
      trigger: "event",
      event_id: "e",
      version_used: 1,
      workflow_id: eventWorkflowId(definition.id, "e"),
      finished_at: expect.any(String),
    });
    expect(await unfinished.listUnclaimed(await fromNow(), 10)).toEqual([]);
    expect(await claim(database, definition.id, { event_id: "e" })).toMatchObject({ outcome: "duplicate", run_id });
    expect((await reader.findRun(run_id))?.trace_id).toBe((await reader.findEvent("e"))?.trace_id as string);
  });

  test("that was accepted is closed as it stands", async () => {
    const run = await accept();
    const accepted = await reader.findRun(run.run_id);
    await unfinished.recordLost(run, "workflow_terminated");
    expect(await reader.findRun(run.run_id)).toEqual({
      ...accepted,
      ...lost,
      finished_at: expect.any(String),
      duration_ms: expect.any(Number),
    } as never);
  });

  test("stays with its workflow when that has claimed it in the meantime", async () => {
    const run_id = await record("e");
    await claim(database, definition.id, { event_id: "e" }, { workflow: "quick" });
    expect(await unfinished.recordLost({ run_id, ...owedRunOf("e") }, "workflow_missing")).toBe(false);
    expect(await reader.findRun(run_id)).toMatchObject({ status: "running", workflow_id: "quick" });
  });

  test("is recorded once, with the reason of the first time", async () => {
    const run_id = await record("e");
    await unfinished.recordLost({ run_id, ...owedRunOf("e") }, "workflow_terminated");
    const first = await reader.findRun(run_id);
    await unfinished.recordLost({ run_id, ...owedRunOf("e") }, "workflow_missing");
    expect(await reader.findRun(run_id)).toEqual(first);
  });
});
