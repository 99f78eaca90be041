/** Runs that a person asked for, from the request to the claim of their workflow. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import type { LedgerReader } from "../../src/explain/ledger-reader.ts";
import type { AcceptanceLedger, RerunRequest } from "../../src/occurrence/control.ts";
import { createAuditReader } from "../../src/postgres/access/audit.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskLedger } from "../../src/postgres/run/task-ledger.ts";
import { plainRound } from "../../src/run/task-instance.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { activityOf, BY_TEST, claim, disable, envelopeOf, logTask, runOf, storeDefinition } from "../support/ledger.ts";

const ACTOR = { actor: "key:ops" };
let database: TestDatabase;
let accepted: AcceptanceLedger;
let reader: LedgerReader;
let definition: Definition;
beforeAll(async () => {
  database = await createTestDatabase();
  accepted = createAcceptanceLedger(database.db);
  reader = createLedgerReader(database.db);
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  definition = await storeDefinition(database, { task_templates: [logTask("a")] });
});
afterAll(() => database?.close());

const trigger = (payload: unknown = {}, requestKey?: string) =>
  accepted.acceptManual({ activity_id: definition.id, payload, ...ACTOR, ...(requestKey && { requestKey }) });
const rerun = (run_id: string, how: Partial<RerunRequest> = {}) =>
  accepted.acceptRerun({ run_id, from: "start", version: "latest", ...ACTOR, ...how });
const claimAccepted = (run_id: string, workflow = "first") => claim(database, definition.id, { run_id }, { workflow });
const remove = () => createDefinitionStore(database.db).remove(definition.id, BY_TEST);
const runsOfActivity = () => reader.listRuns({ activity_id: definition.id }, { limit: 100 });
const auditOf = (run_id: string) => createAuditReader(database.db).list({ subject: `run:${run_id}` }, { limit: 10 });

describe("a manual trigger", () => {
  test("records the run, its payload and who asked, before anything is started (I8)", async () => {
    const { run_id, ...run } = await trigger({ text: "a\u0000b" });
    const event_id = `manual:${run_id}`;
    const workflow_id = `activity-${definition.id}:${event_id}`;
    const activity = { activity_id: definition.id, activity_name: definition.name };
    expect(run).toEqual({ ...activity, workflow_id, trigger_event: { run_id } });
    expect(await reader.findRun(run_id)).toMatchObject({
      ...activity,
      ...{ trigger: "manual", status: "running", event_id, workflow_id, version_used: 1, tasks_spawned: null },
    });
    expect(await reader.findEvent(event_id)).toMatchObject({
      ...{ outcome: "dispatched", type: "actcore.manual", source: "rest", payload: { text: "a\u0000b" } },
      activities: [{ ...activity, outcome: "run", run_id }],
    });
    expect(await auditOf(run_id)).toMatchObject([{ ...ACTOR, action: "trigger", after: activity }]);
  });

  test("is a run of its own each time", async () => {
    const [a, b] = await Promise.all([trigger(), trigger()]);
    expect(a.run_id).not.toBe(b.run_id);
    expect(await runsOfActivity()).toHaveLength(2);
  });

  test("with the same Idempotency-Key is the same run, with what was sent first", async () => {
    const first = await trigger({ n: 1 }, "k");
    expect(await trigger({ n: 2 }, "k")).toEqual(first);
    const [run, ...others] = await runsOfActivity();
    expect([run?.run_id, others]).toEqual([first.run_id, []]);
    expect(await reader.findEvent(run?.event_id ?? "")).toMatchObject({ payload: { n: 1 } });
    expect(await auditOf(first.run_id)).toHaveLength(1);
    expect((await trigger({}, "other")).run_id).not.toBe(first.run_id);
  });

  test("with the same Idempotency-Key many times at once is one run", async () => {
    const runs = await Promise.all(Array.from({ length: 10 }, (_, n) => trigger({ n }, "at once")));
    expect(new Set(runs.map(({ run_id }) => run_id)).size).toBe(1);
    expect(await runsOfActivity()).toHaveLength(1);
  });

  test("with an Idempotency-Key that is the id of an earlier run is another run", async () => {
    const { run_id } = await trigger();
    const other = await trigger({ n: 2 }, run_id);
    expect(other.run_id).not.toBe(run_id);
    expect((await trigger({}, run_id)).run_id).toBe(other.run_id);
  });

  test("with the same Idempotency-Key for another activity is another run", async () => {
    const first = await trigger({}, "k");
    definition = await storeDefinition(database);
    expect((await trigger({}, "k")).run_id).not.toBe(first.run_id);
  });

  test("may run what is disabled: somebody asks for it", async () => {
    await disable(database, definition);
    const { run_id } = await trigger();
    expect(await claimAccepted(run_id)).toMatchObject({ outcome: "claimed", run_id });
  });

  test("may not run what is deleted, or was never there", async () => {
    await remove();
    await expect(trigger()).rejects.toMatchObject({ code: "definition_not_found" });
    const activity_id = crypto.randomUUID();
    await expect(accepted.acceptManual({ activity_id, payload: {}, ...ACTOR })).rejects.toMatchObject({
      code: "definition_not_found",
    });
    expect(await runsOfActivity()).toEqual([]);
  });

  test("whose payload cannot be stored leaves nothing", async () => {
    await expect(trigger({}, "nul \u0000")).rejects.toMatchObject({ code: "not_storable" });
    expect(await runsOfActivity()).toEqual([]);
  });
});

describe("an accepted run", () => {
  test("is claimed by its id, decides and closes like any other", async () => {
    const { run_id, workflow_id } = await trigger({ n: 1 });
    expect(await claimAccepted(run_id)).toMatchObject({
      outcome: "claimed",
      run_id,
      activity: { name: definition.name },
    });
    const runs = createRunLedger(database.db);
    const {
      tasks: [step],
    } = await runs.recordRound(run_id, plainRound(runOf(run_id), activityOf(definition)));
    const tasks = createTaskLedger(database.db);
    expect(await tasks.begin(step?.task_id ?? "")).toMatchObject({
      input: { run: { run_id, trigger: "manual" }, event: { type: "actcore.manual", payload: { n: 1 } } },
    });
    await tasks.succeed(step?.task_id ?? "", 1, {});
    expect(await runs.close({ run_id, failures: [] })).toMatchObject({ status: "succeeded", closedNow: true });
    expect(await reader.findRun(run_id)).toMatchObject({ status: "succeeded", workflow_id });
  });

  test("is claimed once: by the same workflow again, by no other", async () => {
    const { run_id } = await trigger();
    expect(await claimAccepted(run_id)).toMatchObject({ outcome: "claimed" });
    expect(await claimAccepted(run_id)).toMatchObject({ outcome: "claimed", run_id });
    expect(await claimAccepted(run_id, "second")).toMatchObject({ outcome: "duplicate", run_id });
    expect(await runsOfActivity()).toHaveLength(1);
  });

  test("of which the definition was deleted in between is skipped with that reason", async () => {
    const { run_id } = await trigger();
    await remove();
    for (let time = 0; time < 2; time++)
      expect(await claimAccepted(run_id)).toMatchObject({ outcome: "skipped", reason: "deleted", run_id });
    expect(await reader.findRun(run_id)).toMatchObject({
      ...{ status: "skipped", reason: "deleted", finished_at: expect.any(String), tasks_spawned: null },
    });
  });

  test("that was cancelled before its workflow began is left alone, and is a duplicate to a workflow that begins", async () => {
    const { run_id } = await trigger();
    const runs = createRunLedger(database.db);
    await runs.close({ run_id, failures: [], interruption: { status: "cancelled" } });
    const later = new Date(Date.now() + 1000);
    const unclaimed = await createUnfinishedLedger(database).listUnclaimed(later, 1000);
    expect(unclaimed.map((run) => run.run_id)).not.toContain(run_id);
    expect(await claimAccepted(run_id)).toMatchObject({ outcome: "duplicate", run_id });
    expect(await runs.close({ run_id, failures: [] })).toMatchObject({ status: "cancelled", closedNow: false });
  });

  test.each<[what: string, start: (run_id: string) => Promise<unknown>]>([
    ["of another activity", (run_id) => claim(database, crypto.randomUUID(), { run_id })],
    ["that nobody accepted", () => claim(database, definition.id, { run_id: crypto.randomUUID() })],
  ])("%s is not there to be claimed", async (_, start) => {
    const { run_id } = await trigger();
    await expect(start(run_id)).rejects.toMatchObject({ code: "run_not_found", name: "TerminalError" });
  });
});

describe("a rerun", () => {
  test("is a run of its own about the same event, and names the old one", async () => {
    const envelope = envelopeOf(`f-${crypto.randomUUID()}`, { payload: { n: 1 }, trace_id: "theirs" });
    const old = await claim(database, definition.id, envelope, { workflow: "their workflow" });
    const again = await rerun(old.run_id);
    expect(again.workflow_id).toBe("their workflow:rerun-1");
    expect(await reader.findRun(again.run_id)).toMatchObject({
      ...{ trigger: "rerun", status: "running", rerun_of: old.run_id },
      ...{ event_id: envelope.event_id, trace_id: "theirs", workflow_id: again.workflow_id },
    });
    expect(await claimAccepted(again.run_id)).toMatchObject({ outcome: "claimed", run_id: again.run_id });
    expect(await auditOf(again.run_id)).toMatchObject([{ ...ACTOR, action: "rerun" }]);
  });

  test("uses the definition's version of now", async () => {
    const { run_id } = await trigger();
    await disable(database, definition);
    expect(await reader.findRun((await rerun(run_id)).run_id)).toMatchObject({ version_used: 2 });
  });

  test("uses the version of the old run where it is asked for", async () => {
    const { run_id } = await trigger();
    await disable(database, definition);
    const again = await rerun(run_id, { version: "same" });
    expect(await reader.findRun(again.run_id)).toMatchObject({ version_used: 1, rerun_from: "start" });
    expect(await claimAccepted(again.run_id)).toMatchObject({ outcome: "claimed", version_used: 1 });
  });

  test("of a due run keeps its due time, from the request to the task", async () => {
    const scheduled_for = "2026-01-31T09:30:00.000Z";
    const old = await claim(database, definition.id, {}, { scheduled_for });
    const { run_id } = await rerun(old.run_id);
    expect(await reader.findRun(run_id)).toMatchObject({ scheduled_for, event_id: null });
    expect(await claimAccepted(run_id)).toMatchObject({ outcome: "claimed", run_id });
    expect(await reader.findRun(run_id)).toMatchObject({ scheduled_for, trigger: "rerun" });
    const {
      tasks: [step],
    } = await createRunLedger(database.db).recordRound(run_id, plainRound(runOf(run_id), activityOf(definition)));
    expect(await createTaskLedger(database.db).begin(step?.task_id ?? "")).toMatchObject({
      input: { run: { trigger: "rerun", scheduled_for }, event: null },
    });
  });

  test("that many ask for at once gives each a run and a number of its own", async () => {
    const { run_id, workflow_id } = await trigger();
    const reruns = await Promise.all(Array.from({ length: 5 }, () => rerun(run_id)));
    expect(reruns.map((run) => run.workflow_id).sort()).toEqual(
      [1, 2, 3, 4, 5].map((n) => `${workflow_id}:rerun-${n}`),
    );
    expect(new Set(reruns.map((run) => run.run_id)).size).toBe(5);
    expect(await runsOfActivity()).toHaveLength(6);
  });

  test("may be rerun itself, and counts with all reruns of the first run", async () => {
    const { run_id, workflow_id } = await trigger();
    const first = await rerun(run_id);
    const second = await rerun(first.run_id);
    const third = await rerun(second.run_id);
    const fourth = await rerun(run_id);
    const ids = [first, second, third, fourth].map((run) => run.workflow_id);
    expect(ids).toEqual([1, 2, 3, 4].map((n) => `${workflow_id}:rerun-${n}`));
    expect(await reader.findRun(third.run_id)).toMatchObject({ rerun_of: second.run_id });
    expect(await claimAccepted(third.run_id)).toMatchObject({ outcome: "claimed", run_id: third.run_id });
  });

  test("finds a number of its own when earlier runs of the chain were swept", async () => {
    const { run_id, workflow_id } = await trigger();
    const first = await rerun(run_id);
    const second = await rerun(first.run_id);
    await database.sql`delete from actcore.runs where run_id in (${run_id}, ${first.run_id})`;
    expect((await rerun(second.run_id)).workflow_id).toBe(`${workflow_id}:rerun-3`);
    await database.sql`delete from actcore.runs where rerun_of = ${second.run_id}`;
    expect((await rerun(second.run_id)).workflow_id).toBe(`${workflow_id}:rerun-4`);
  });

  test("of the reruns of the longest event id has a workflow id that Temporal can keep", async () => {
    const event_id = `${"ü".repeat(90)}${crypto.randomUUID().slice(0, 20)}`;
    const workflow = `activity-${definition.id}:${event_id}`;
    const old = await claim(database, definition.id, envelopeOf(event_id), { workflow });
    const ids: string[] = [];
    for (let n = 0, from = old.run_id; n < 120; n++) {
      const run = await rerun(from);
      ids.push(run.workflow_id);
      if (n % 2 === 0) from = run.run_id;
    }
    expect(Math.max(...ids.map((id) => Buffer.byteLength(id)))).toBeLessThanOrEqual(255);
    expect(new Set(ids).size).toBe(120);
    expect(ids[98]).toBe(`${workflow}:rerun-99`);
    expect(ids.slice(99).every((id) => id.startsWith(`activity-${definition.id}:`) && id.isWellFormed())).toBe(true);
  });

  test("is refused when the event that it would run about is not kept any more", async () => {
    const { run_id } = await trigger();
    await database.sql`delete from actcore.events where event_id = ${`manual:${run_id}`}`;
    await expect(rerun(run_id)).rejects.toMatchObject({ code: "input_not_kept", name: "TerminalError" });
    expect(await runsOfActivity()).toHaveLength(1);
  });

  test("needs a run that is there, and a definition that is not deleted", async () => {
    await expect(rerun(crypto.randomUUID())).rejects.toMatchObject({ code: "not_found" });
    const { run_id } = await trigger();
    await remove();
    await expect(rerun(run_id)).rejects.toMatchObject({ code: "definition_not_found" });
  });
});

describe("a rerun from what failed", () => {
  const snapshot = { account: { active: true } };
  const reports = [{ name: "account", type: "http", status: "ok", duration_ms: 5, attempts: 1, bytes: 15 }];

  /** A run of which the context is resolved, and which ended so. */
  async function endedRun(status: string) {
    const { run_id } = await trigger();
    await claimAccepted(run_id);
    await database.sql`
      update actcore.runs set status = ${status}, finished_at = now(), context_snapshot = ${JSON.stringify(snapshot)}::json,
        context_sources = ${JSON.stringify(reports)}::json where run_id = ${run_id}`;
    return run_id;
  }

  test.each(["failed", "cancelled", "skipped"])(
    "of a run that was %s has its context, and says what it repeats",
    async (status) => {
      const rerun_of = await endedRun(status);
      const { run_id } = await rerun(rerun_of, { from: "failed" });
      expect(await reader.findRun(run_id)).toMatchObject({
        ...{ status: "running", rerun_of, rerun_from: "failed", context_snapshot: snapshot, context: reports },
        ...{ templates: null, tasks: [] },
      });
      expect(await auditOf(run_id)).toMatchObject([{ after: { rerun_of, rerun_from: "failed", version_used: 1 } }]);
    },
  );

  test("from the start resolves its context anew", async () => {
    const { run_id } = await rerun(await endedRun("failed"));
    expect(await reader.findRun(run_id)).toMatchObject({ context_snapshot: null, context: [] });
  });

  test("has the context of the old run with a newer version whose sources are the same, and not with others", async () => {
    const old = await endedRun("failed");
    const contextOf = async (how: Partial<RerunRequest>) =>
      (await reader.findRun((await rerun(old, { from: "failed", ...how })).run_id))?.context_snapshot;
    await disable(database, definition);
    expect(await contextOf({ version: "latest" })).toEqual(snapshot);
    await database.sql`
      update actcore.definition_versions set body = jsonb_set(body::jsonb, '{context_sources}', '[{"name": "other"}]')::json
      where definition_id = ${definition.id} and version = 2`;
    expect(await contextOf({ version: "latest" })).toBeNull();
    expect(await contextOf({ version: "same" })).toEqual(snapshot);
  });

  test("is refused where the run is not over, or succeeded", async () => {
    const open = await trigger();
    await expect(rerun(open.run_id, { from: "failed" })).rejects.toMatchObject({ code: "run_not_over" });
    const succeeded = await endedRun("succeeded");
    await expect(rerun(succeeded, { from: "failed" })).rejects.toMatchObject({ code: "nothing_to_repeat" });
    expect(await runsOfActivity()).toHaveLength(2);
  });
});
