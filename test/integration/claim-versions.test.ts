/** Claims while the definition changes: what was judged counts only for the version that was judged. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createActivityCache } from "../../src/definition/activity.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { createClaims } from "../../src/occurrence/claim.ts";
import { runTraceId } from "../../src/occurrence/occurrence.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createOccurrenceLedger } from "../../src/postgres/occurrence/occurrence-ledger.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, claim, disable, logTask, replace } from "../support/ledger.ts";

let database: TestDatabase;
let definition: Definition;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  const body = bodyOf(`d-${crypto.randomUUID()}`, { task_templates: [logTask("v1")] });
  definition = await createDefinitionStore(database.db).create(body, "rest", BY_TEST);
});
afterAll(() => database?.close());

const findRun = (id: string) => createLedgerReader(database.db).findRun(id);
const withTask = (key: string) => bodyOf(definition.name, { task_templates: [logTask(key)] });

/** Claims of one worker; `between` comes after the first judging, before its claim. */
function worker(between: () => Promise<unknown> = () => Promise.resolve()) {
  const ledger = createOccurrenceLedger(database.db);
  let isFirst = true;
  const statements: (number | null)[] = [];
  const claims = createClaims({
    ledger: {
      ...ledger,
      async claim(request, judged) {
        statements.push(judged.version);
        if (judged.version !== null && isFirst) {
          isFirst = false;
          await between();
        }
        return ledger.claim(request, judged);
      },
    },
    activities: createActivityCache(),
  });
  return {
    statements,
    claim(trigger_event: Record<string, unknown>, workflow_id: string = crypto.randomUUID()) {
      const request = { activity_id: definition.id, trigger_event, workflow_id, first_execution_run_id: workflow_id };
      return claims.claim(request, new Date());
    },
  };
}

describe("a definition that changes between the judging and the claim is judged again, and", () => {
  test("its new tasks are those of the run", async () => {
    const { claim, statements } = worker(() => replace(database, definition.id, withTask("v2")));
    const claimed = await claim({});
    expect(claimed).toMatchObject({ outcome: "claimed", activity: { version: 2, tasks: [{ key: "v2" }] } });
    expect(statements).toEqual([null, 1, 2]);
    expect(await findRun(claimed.run_id)).toMatchObject({ status: "running", version_used: 2 });
  });

  test.each<[reason: string, change: () => Promise<unknown>]>([
    ["disabled", () => disable(database, definition)],
    ["deleted", () => createDefinitionStore(database.db).remove(definition.id, BY_TEST)],
  ])("the run is skipped where it is %s", async (reason, change) => {
    const claimed = await worker(change).claim({});
    expect(claimed).toMatchObject({ outcome: "skipped", reason });
    expect(await findRun(claimed.run_id)).toMatchObject({ status: "skipped", reason, version_used: 2 });
  });
});

test("as long as a definition stays as it is, a claim is one statement", async () => {
  const { claim, statements } = worker();
  for (let n = 0; n < 3; n++) await claim({ n });
  expect(statements).toEqual([null, 1, 1, 1]);
});

test("a run that was accepted before a change has the tasks of the version that it was accepted with", async () => {
  const accepted = createAcceptanceLedger(database.db);
  const { run_id } = await accepted.acceptManual({ activity_id: definition.id, payload: {}, ...BY_TEST });
  await replace(database, definition.id, withTask("v2"));
  const { claim } = worker();
  expect(await claim({})).toMatchObject({ activity: { version: 2 } });
  expect(await claim({ run_id })).toMatchObject({
    ...{ outcome: "claimed", run_id, kind: "manual", key: run_id },
    activity: { version: 1, tasks: [{ key: "v1" }] },
  });
  expect(await findRun(run_id)).toMatchObject({ version_used: 1 });
});

test("claims that race with changes each run one version whole, and none runs after it was disabled", async () => {
  await Promise.all(Array.from({ length: 10 }, () => database.sql`select pg_sleep(0.05)`));
  const { claim } = worker();
  const changing = (async () => {
    for (let version = 2; version <= 6; version++) await replace(database, definition.id, withTask(`v${version}`));
    await disable(database, definition);
  })();
  const racing = Array.from({ length: 40 }, async (_, n) => {
    await Bun.sleep(n % 10);
    return claim({ n });
  });
  const claims = await Promise.all(racing);
  await changing;
  for (const claimed of claims) {
    if (claimed.outcome === "duplicate") throw new Error("nobody else claims it");
    const { version, tasks } = claimed.activity;
    expect(await findRun(claimed.run_id)).toMatchObject({ version_used: version });
    if (claimed.outcome === "claimed") expect(tasks).toMatchObject([{ key: `v${version}` }]);
    else expect([version, claimed.outcome === "skipped" && claimed.reason]).toEqual([7, "disabled"]);
  }
  expect(await claim({ last: true })).toMatchObject({ outcome: "skipped", reason: "disabled" });
});

test("the trace id of a run is made of its event's id, or else of its own, by whichever way it comes", async () => {
  const activity_id = definition.id;
  const traceOf = async (run_id: string) => (await findRun(run_id))?.trace_id;
  const started = await claim(database, activity_id, {}, { scheduled_for: "2026-01-31T09:30:00.000Z" });
  const due = [new Date("2026-01-31T09:29:00Z")];
  const backfilled = await createAcceptanceLedger(database.db).acceptBackfill({ activity_id, due, ...BY_TEST });
  for (const { run_id } of [started, ...backfilled]) expect(await traceOf(run_id)).toBe(runTraceId(run_id));
  expect(backfilled).toHaveLength(1);

  // An event whose row was swept: its occurrence stands, and its workflow ended before the claim.
  const [event_id, run_id] = [`e-${crypto.randomUUID()}`, crypto.randomUUID()];
  await database.sql`insert into actcore.occurrences (activity_id, kind, key, run_id, event_id)
    values (${activity_id}, 'event', ${event_id}, ${run_id}, ${event_id})`;
  const lost = { run_id, activity_id, activity_name: "d", workflow_id: "w", trigger_event: { event_id } };
  expect(await createUnfinishedLedger(database).recordLost(lost, "workflow_failed")).toBe(true);
  expect(await traceOf(run_id)).toBe(runTraceId(run_id, event_id));
});
