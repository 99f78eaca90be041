/** The steps of a run on the real ledger: claim and decide in one, and what a crash of Postgres between them leaves. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createRunSteps } from "../../src/activities/run-steps.ts";
import { createActivityCache } from "../../src/definition/activity.ts";
import { TerminalError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createClaims } from "../../src/occurrence/claim.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createOccurrenceLedger } from "../../src/postgres/occurrence/occurrence-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import type { RunLedger } from "../../src/run/ledger.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, logTask } from "../support/ledger.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

function steps(changed: Partial<RunLedger> = {}) {
  const runs = { ...createRunLedger(database.db), ...changed };
  const ledger = createOccurrenceLedger(database.db);
  const claims = createClaims({ ledger, activities: createActivityCache() });
  return createRunSteps({ claims, runs, metrics: createMetrics(), log: createLog("silent") });
}

async function newRequest() {
  const body = bodyOf(`d-${crypto.randomUUID()}`, { task_templates: [logTask("a")] });
  const { id } = await createDefinitionStore(database.db).create(body, "rest", BY_TEST);
  const workflow_id = crypto.randomUUID();
  return { activity_id: id, trigger_event: {}, workflow_id, first_execution_run_id: workflow_id };
}

test("a claim is answered with the decided tasks, and again with the same ones", async () => {
  const request = await newRequest();
  const claim = await steps().claimRun(request);
  expect(claim).toMatchObject({ outcome: "claimed", steps: [{ max_attempts: 5 }] });
  expect(await steps().claimRun(request)).toEqual(claim);
});

test("a claim that a crash of Postgres undid before its decision is made again", async () => {
  const request = await newRequest();
  const forgetful = steps({
    async recordDecision(runId, tasks) {
      await database.sql`delete from actcore.occurrences where run_id = ${runId}`;
      await database.sql`delete from actcore.runs where run_id = ${runId}`;
      return createRunLedger(database.db).recordDecision(runId, tasks);
    },
  });
  const error = await forgetful.claimRun(request).catch((error: unknown) => error);
  expect(error).toMatchObject({ type: "claim_undone", nonRetryable: false });
  expect(await steps().claimRun(request)).toMatchObject({ outcome: "claimed", steps: [{}] });
});

test("a claim that cannot be decided leaves that to a step of its own, which says why", async () => {
  const request = await newRequest();
  const recordDecision = () => Promise.reject(new TerminalError("not_storable", "Postgres refuses the data"));
  const broken = steps({ recordDecision });
  const claim = await broken.claimRun(request);
  expect(claim).toMatchObject({ outcome: "claimed" });
  expect(claim).not.toHaveProperty("steps");
});
