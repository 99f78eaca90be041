/** A run whose workflow id somebody else has taken, on the real ledger and the real engine: it is started once all the same. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import { createLog } from "../../src/kernel/log.ts";
import { eventWorkflowId } from "../../src/occurrence/occurrence.ts";
import { createOwedStarter } from "../../src/occurrence/owed-starter.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createWorkflowIdLedger } from "../../src/postgres/occurrence/workflow-id-ledger.ts";
import type { OwedRun } from "../../src/run/engine.ts";
import type { StartArgument } from "../../src/run/run.ts";
import { createRunInspector } from "../../src/temporal/run-inspector.ts";
import { createRunStarter } from "../../src/temporal/run-starter.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { claim, envelopeOf, matchedEvent, recordEvent, storeDefinition } from "../support/ledger.ts";
import { openTestNamespace } from "../support/workflow.ts";

let database: TestDatabase;
let temporal: Awaited<ReturnType<typeof openTestNamespace>>;
let definition: Definition;
beforeAll(async () => {
  [database, temporal] = await Promise.all([createTestDatabase(), openTestNamespace()]);
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  definition = await storeDefinition(database);
});
afterAll(async () => {
  await database?.close();
  await temporal?.close();
});

const starterOf = () =>
  createOwedStarter(createRunStarter(temporal), createWorkflowIdLedger(database.db), createLog("silent"));
const startTheirs = (workflowId: string) =>
  temporal.client.workflow.start("TheirWorkflow", { workflowId, taskQueue: "their-queue" });

describe("an event's run", () => {
  let run: OwedRun;
  let run_id: string;
  beforeEach(async () => {
    const event_id = `e-${crypto.randomUUID()}`;
    run_id = await recordEvent(database, definition, event_id);
    const { id: activity_id, name: activity_name } = definition;
    run = {
      activity_id,
      activity_name,
      workflow_id: eventWorkflowId(activity_id, event_id),
      trigger_event: { event_id },
    };
  });

  test("is started under an id of its own, which the ledger knows, and claimed there", async () => {
    await startTheirs(run.workflow_id);
    const workflow_id = await starterOf().start(run);
    expect(workflow_id).toStartWith(`activity-${definition.id}-run-`);
    expect(await createRunInspector(temporal).inspect({ ...run, workflow_id })).toMatchObject({ state: "open" });
    const claimed = await claim(database, definition.id, run.trigger_event as StartArgument, { workflow: workflow_id });
    expect(claimed).toMatchObject({ outcome: "claimed", run_id });
    expect(await createLedgerReader(database.db).findRun(run_id)).toMatchObject({ workflow_id, status: "running" });
  });

  test("is started under one id by all who start it at once", async () => {
    await startTheirs(run.workflow_id);
    const ids = await Promise.all(Array.from({ length: 8 }, () => starterOf().start(run)));
    expect(new Set(ids).size).toBe(1);
  });

  test("is owed under that id after a crash before its start", async () => {
    const replaced = await createWorkflowIdLedger(database.db).replaceWorkflowId(run);
    const { event_id } = run.trigger_event as { event_id: string };
    const [again] = await createEventLedger(database.db).record([matchedEvent(envelopeOf(event_id))]);
    expect(again?.owed).toEqual([replaced as OwedRun]);
    const unclaimed = await createUnfinishedLedger(database).listUnclaimed(new Date(Date.now() + 1000), 100);
    expect(unclaimed).toContainEqual({ run_id, ...(replaced as OwedRun) });
  });

  test("that a workflow has claimed by now stays as it is", async () => {
    await startTheirs(run.workflow_id);
    await claim(database, definition.id, run.trigger_event as StartArgument, { workflow: "theirs" });
    expect(await starterOf().start(run)).toBe(run.workflow_id);
    expect(await createLedgerReader(database.db).findRun(run_id)).toMatchObject({ workflow_id: "theirs" });
  });
});

test("a rerun is started under an id of its own, which its row shows", async () => {
  const accepted = createAcceptanceLedger(database.db);
  const first = await accepted.acceptManual({ activity_id: definition.id, payload: {}, actor: "test" });
  await startTheirs(`${first.workflow_id}:rerun-1`);
  const rerun = await accepted.acceptRerun({ run_id: first.run_id, actor: "test", from: "start", version: "latest" });
  const workflow_id = await starterOf().start(rerun);
  expect(workflow_id).toStartWith(`activity-${definition.id}-run-`);
  expect(await createLedgerReader(database.db).findRun(rerun.run_id)).toMatchObject({ workflow_id });
});
