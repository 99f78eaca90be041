/** Cancelling and retrying single tasks on the real ledger: what is recorded, what races, and what is refused by name. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createTaskRequestLedger } from "../../src/postgres/occurrence/task-requests.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskLedger } from "../../src/postgres/run/task-ledger.ts";
import type { TaskGroup, TaskStep } from "../../src/run/run.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { disable, logTask, readTasks, recordEvent, storeDefinition } from "../support/ledger.ts";
import { createTestSteps } from "../support/run-steps.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const ledgers = () => ({
  runs: createRunLedger(database.db),
  tasks: createTaskLedger(database.db),
  requests: createTaskRequestLedger(database.db),
  unfinished: createUnfinishedLedger(database),
  reader: createLedgerReader(database.db),
  steps: createTestSteps(database),
});
const refused = { code: "http_status", message: "answered 500" };
const http = (key: string, rules: object = {}) => ({
  ...{ key, type: "http", timeout: "1m", retry: { max_attempts: 2 }, params: { url: "http://127.0.0.1:1/" } },
  ...rules,
});

/** A claimed run of these templates, by an event of its own. */
async function startRun(task_templates: object[]) {
  const definition = await storeDefinition(database, { task_templates });
  const event_id = crypto.randomUUID();
  await recordEvent(database, definition, event_id);
  const workflow_id = `activity-${definition.id}:${event_id}`;
  const request = {
    ...{ activity_id: definition.id, trigger_event: { event_id }, workflow_id, first_execution_run_id: workflow_id },
  };
  const claim = await ledgers().steps.claimRun(request);
  const { groups, steps } = claim as { groups?: TaskGroup[]; steps?: TaskStep[] };
  return { definition, run_id: claim.run_id, workflow_id, groups, steps, request };
}

/** The tasks of a run, by their keys. */
async function tasksOf(run_id: string) {
  return Object.fromEntries((await readTasks(database, { run_id })).map((task) => [task.key, task]));
}

async function idOf(run_id: string, key: string): Promise<string> {
  return (await tasksOf(run_id))[key]?.task_id ?? expect.unreachable(`task ${key} is there`);
}

async function failTask(task_id: string) {
  const { tasks } = ledgers();
  const begun = await tasks.begin(task_id);
  await tasks.fail(task_id, begun?.attempt ?? 0, refused);
}

/** A closed run whose task `a` failed: `b` was skipped for it, as was `c`, which reads what b answered; `d` was done for it. */
async function failedRun() {
  const { steps } = ledgers();
  const started = await startRun([
    http("a"),
    http("b", { depends_on: ["a"] }),
    http("c", { depends_on: ["b"], when: "tasks.b.result != null" }),
    { ...logTask("d"), depends_on: ["a"], run_when: "any_failed" },
  ]);
  const { run_id } = started;
  await failTask(await idOf(run_id, "a"));
  await steps.decideRun(run_id);
  await ledgers().tasks.begin(await idOf(run_id, "d"));
  await ledgers().tasks.succeed(await idOf(run_id, "d"), 1, "logged");
  await steps.decideRun(run_id);
  expect(await steps.closeRun({ run_id, failures: [], reopened: 0 })).toMatchObject({ status: "failed" });
  return { ...started, a: await idOf(run_id, "a") };
}

const actor = "key:ops";
const codeOf = (error: { code?: string }) => error.code ?? "none";

describe("a task that is to be cancelled", () => {
  test("is cancelled by that if it has not begun, and never begins", async () => {
    const { requests, tasks, reader } = ledgers();
    const { run_id, workflow_id } = await startRun([http("a")]);
    const task_id = await idOf(run_id, "a");
    expect(await requests.requestCancel({ task_id, actor })).toMatchObject({ task_id, workflow_id });
    expect(await tasks.begin(task_id)).toBeUndefined();
    expect(await reader.findTask(task_id)).toMatchObject({
      ...{ status: "cancelled", attempts: 0, error: { code: "cancelled", message: "it was cancelled by key:ops" } },
    });
    await expect(requests.requestCancel({ task_id, actor })).rejects.toMatchObject({ code: "task_over" });
    const audited =
      await database.sql`select action, actor from actcore.audit_log where subject = ${`task:${task_id}`}`;
    expect([...audited]).toEqual([{ action: "task.cancel", actor }]);
  });

  test("ends as cancelled with the try that is being made, whatever that says, unless it succeeds", async () => {
    const { requests, tasks, steps, unfinished } = ledgers();
    const { run_id } = await startRun(["failed", "retried", "lost", "succeeded"].map((key) => http(key)));
    const ids = await tasksOf(run_id);
    const id = (key: string) => ids[key]?.task_id ?? "";
    for (const key of Object.keys(ids)) await tasks.begin(id(key));
    for (const key of Object.keys(ids)) await requests.requestCancel({ task_id: id(key), actor });
    const later = new Date(Date.now() + 1000);
    const listed = async () => (await unfinished.listCancelRequested(later, 100)).map(({ task_id }) => task_id);
    expect(await listed()).toEqual(expect.arrayContaining(Object.keys(ids).map(id)));

    await tasks.fail(id("failed"), 1, refused);
    await tasks.retry(id("retried"), 1, refused);
    await steps.failTasks(run_id, [{ task_id: id("lost"), message: "it was cancelled" }]);
    await tasks.succeed(id("succeeded"), 1, "done");
    const by = { error: { code: "cancelled", message: "it was cancelled by key:ops" } };
    expect(await tasksOf(run_id)).toMatchObject({
      ...{ failed: { status: "cancelled", ...by }, retried: { status: "cancelled", ...by } },
      ...{ lost: { status: "cancelled", ...by }, succeeded: { status: "succeeded" } },
    });
    expect(await listed()).not.toContain(id("lost"));
    expect(await steps.closeRun({ run_id, failures: [] })).toMatchObject({ status: "failed", reason: "task_failed" });
    expect(await ledgers().reader.findRun(run_id)).toMatchObject({
      error: expect.stringContaining("lost: it was cancelled by key:ops"),
    });
  });

  test("and may fail does not fail its run; what depends on it is decided as after a failure", async () => {
    const { requests, tasks, steps } = ledgers();
    const { run_id } = await startRun([http("a", { allow_failure: true }), http("b", { depends_on: ["a"] })]);
    const task_id = await idOf(run_id, "a");
    await tasks.begin(task_id);
    await requests.requestCancel({ task_id, actor });
    await steps.decideRun(run_id, [{ task_id, message: "it was cancelled" }]);
    expect(await tasksOf(run_id)).toMatchObject({ a: { status: "cancelled" }, b: { status: "skipped" } });
    expect(await steps.closeRun({ run_id, failures: [] })).toMatchObject({ status: "succeeded" });
  });

  test("and ends in the same moment has one end", async () => {
    const { requests, tasks } = ledgers();
    const { run_id } = await startRun(Array.from({ length: 30 }, (_, n) => http(`t${n}`)));
    const ids = Object.values(await tasksOf(run_id)).map(({ task_id }) => task_id);
    for (const id of ids) await tasks.begin(id);
    const asked = ids.map((task_id) => requests.requestCancel({ task_id, actor }).then(() => "asked", codeOf));
    const [answers] = await Promise.all([Promise.all(asked), ...ids.map((id) => tasks.succeed(id, 1, "done"))]);
    expect(new Set(answers).difference(new Set(["asked", "task_over"]))).toEqual(new Set());
    for (const task of Object.values(await tasksOf(run_id))) expect(task.status).toBe("succeeded");
  });
});

describe("a retry of a failed task", () => {
  test("opens its closed run again under another workflow id, and what was skipped for the failure is done", async () => {
    const { requests, reader, steps, unfinished, tasks } = ledgers();
    const { run_id, a, workflow_id, request, definition } = await failedRun();
    const before = await tasksOf(run_id);
    expect(before).toMatchObject({ b: { status: "skipped" }, d: { status: "succeeded" } });
    const owed = await requests.reopen({ task_id: a, actor });
    expect(owed).toMatchObject({ run_id, workflow_id: `${workflow_id}:retry-1`, trigger_event: { run_id } });
    expect(await reader.findRun(run_id)).toMatchObject({
      ...{ status: "running", reason: null, error: null, finished_at: null, reopened: 1 },
      ...{ workflow_id: owed.workflow_id, reopened_at: expect.any(String) },
    });
    expect(await tasksOf(run_id)).toMatchObject({
      ...{ a: { status: "pending", attempts: 1, retried: 1 }, b: { status: "pending" }, d: { status: "succeeded" } },
    });
    // A crash before the start: the finisher finds it.
    expect(await unfinished.listUnclaimed(new Date(Date.now() + 1000), 1000)).toContainEqual(
      expect.objectContaining({ run_id, workflow_id: owed.workflow_id }),
    );
    // The workflow before it closes again what it closed: that is not this run any more.
    expect(await steps.closeRun({ run_id, failures: [], reopened: 0 })).toMatchObject({ status: "running" });
    expect(await steps.claimRun(request)).toMatchObject({ outcome: "duplicate" });

    // Its activity is paused meanwhile: what was begun is finished.
    await disable(database, definition);
    const first_execution_run_id = crypto.randomUUID();
    const { trigger_event, workflow_id: again } = owed;
    const claim = await steps.claimRun({ ...request, trigger_event, workflow_id: again, first_execution_run_id });
    expect(claim).toMatchObject({ outcome: "claimed", run_id, reopened: 1, groups: [{ key: "a", max_attempts: 2 }] });
    expect(await tasks.begin(a)).toMatchObject({ attempt: 2, idempotency_key: before.a?.idempotency_key });
    await tasks.succeed(a, 2, "loaded");
    expect(await steps.decideRun(run_id)).toMatchObject({ groups: [{ key: "b", task_ids: [before.b?.task_id] }] });
    await tasks.begin(before.b?.task_id ?? "");
    await tasks.succeed(before.b?.task_id ?? "", 1, "checked");
    expect(await steps.decideRun(run_id)).toMatchObject({ groups: [{ key: "c" }] });
    const c = await idOf(run_id, "c");
    await tasks.begin(c);
    await tasks.succeed(c, 1, "reported");
    expect(await steps.closeRun({ run_id, failures: [], reopened: 1 })).toMatchObject({ status: "succeeded" });
    const { templates } = (await reader.findRun(run_id)) ?? {};
    expect(templates?.map(({ outcome }) => outcome)).toEqual(["made", "made", "made", "made"]);
  });

  test("200 times two at once: the run opens once for each two", async () => {
    const { requests, reader, steps } = ledgers();
    const { a, run_id } = await failedRun();
    for (let times = 1; times <= 200; times++) {
      const both = [1, 2].map(() => requests.reopen({ task_id: a, actor }).then(() => "opened", codeOf));
      expect((await Promise.all(both)).sort()).toEqual(["opened", "task_not_over"]);
      await failTask(a);
      await steps.closeRun({ run_id, failures: [] });
    }
    expect(await reader.findRun(run_id)).toMatchObject({ status: "failed", reopened: 200 });
    expect(await reader.findTask(a)).toMatchObject({ retried: 200, attempts: 201 });
  }, 60_000);

  test("that fails again fails the run again, and can be retried again; a plain run as well", async () => {
    const { requests, steps } = ledgers();
    const { run_id, request } = await startRun([http("a"), http("b")]);
    const [a, b] = [await idOf(run_id, "a"), await idOf(run_id, "b")];
    await failTask(a);
    await ledgers().tasks.begin(b);
    await ledgers().tasks.succeed(b, 1, "done");
    await steps.closeRun({ run_id, failures: [], reopened: 0 });
    for (const number of [1, 2]) {
      const { workflow_id, trigger_event } = await requests.reopen({ task_id: a, actor });
      expect(workflow_id).toEndWith(`:retry-${number}`);
      const claimed = { ...request, trigger_event, workflow_id, first_execution_run_id: workflow_id };
      expect(await steps.claimRun(claimed)).toMatchObject({
        reopened: number,
        steps: [{ task_id: a, max_attempts: 2 }],
      });
      await failTask(a);
      expect(await steps.closeRun({ run_id, failures: [], reopened: number })).toMatchObject({ status: "failed" });
    }
  });

  test("is refused by name where there is nothing to retry, or the run goes on, or its event is not kept", async () => {
    const { requests, steps } = ledgers();
    const retry = (task_id: string) => requests.reopen({ task_id, actor });
    await expect(retry(crypto.randomUUID())).rejects.toMatchObject({ code: "not_found" });
    const { run_id } = await startRun([http("a"), http("b")]);
    const [a, b] = [await idOf(run_id, "a"), await idOf(run_id, "b")];
    await expect(retry(a)).rejects.toMatchObject({ code: "task_not_over" });
    await failTask(a);
    await expect(retry(a)).rejects.toMatchObject({ code: "run_not_over" });
    await ledgers().tasks.begin(b);
    await ledgers().tasks.succeed(b, 1, "done");
    await steps.closeRun({ run_id, failures: [], reopened: 0 });
    await expect(retry(b)).rejects.toMatchObject({ code: "nothing_to_retry" });
    await database.sql`delete from actcore.event_keys where event_id = (select event_id from actcore.runs where run_id = ${run_id})`;
    await expect(retry(a)).rejects.toMatchObject({ code: "input_not_kept" });
  });
});
