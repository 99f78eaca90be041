import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import type { LedgerReader } from "../../src/explain/ledger-reader.ts";
import type { TaskView } from "../../src/explain/task-view.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskLedger } from "../../src/postgres/run/task-ledger.ts";
import type { RunLedger } from "../../src/run/ledger.ts";
import { plainRound } from "../../src/run/task-instance.ts";
import type { TaskLedger } from "../../src/task/task.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import {
  activityOf,
  bodyOf,
  claim,
  claimedRun,
  envelopeOf,
  logTask,
  readTasks,
  replace,
  runOf,
  storeDefinition,
} from "../support/ledger.ts";

let database: TestDatabase;
let runs: RunLedger;
let tasks: TaskLedger;
let reader: LedgerReader;
beforeAll(async () => {
  database = await createTestDatabase();
  runs = createRunLedger(database.db);
  tasks = createTaskLedger(database.db);
  reader = createLedgerReader(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const tasksOf = (run_id: string) => readTasks(database, { run_id });
const failed = { code: "http_status", message: "answered 404" };

/** A run that has decided these tasks. */
async function decidedRun(...keys: string[]) {
  const { definition, run_id } = await claimedRun(database, keys);
  await runs.recordRound(run_id, plainRound(runOf(run_id), activityOf(definition)));
  return { run_id, tasks: (await tasksOf(run_id)) as [TaskView, TaskView] };
}

describe("a decision (I8)", () => {
  test("is made on the version that the claim pinned", async () => {
    const { definition, run_id } = await claimedRun(database, ["a"]);
    await replace(database, definition.id, bodyOf(definition.name));
    expect(await runs.findPinned(run_id)).toMatchObject({
      run_id,
      activity: { version: 1, body: { task_templates: [{ key: "a" }] } },
    });
    expect(await runs.findPinned(crypto.randomUUID())).toBeUndefined();
  });

  test("is recorded once: a second one changes nothing and answers the first", async () => {
    const { definition, run_id } = await claimedRun(database, ["a", "b"]);
    const round = plainRound(runOf(run_id), activityOf(definition));
    const decision = await runs.recordRound(run_id, round);
    expect(decision.tasks.map(({ task_id }) => task_id)).toEqual(round.instances.map(({ task_id }) => task_id));
    const other = { ...round, instances: round.instances.slice(1) };
    expect(await runs.recordRound(run_id, other)).toEqual({ ...decision, isNew: false });
    expect(await reader.findRun(run_id)).toMatchObject({ tasks_spawned: 2, context_snapshot: {} });
    expect(await tasksOf(run_id)).toMatchObject([
      { key: "a", status: "pending", attempts: 0, params: { message: "a" } },
      { key: "b", status: "pending" },
    ]);
  });

  test("may be of no tasks", async () => {
    const { run_id } = await claimedRun(database);
    const none = { round: 1, templates: [], instances: [] };
    expect(await runs.recordRound(run_id, none)).toEqual({ isNew: true, tasks: [], begun: [] });
    expect(await runs.recordRound(run_id, none)).toEqual({ isNew: false, tasks: [], begun: [] });
    expect(await reader.findRun(run_id)).toMatchObject({ tasks_spawned: 0 });
  });
});

describe("the Idempotency-Key of a task", () => {
  /** The key of the first task of a claimed run. */
  async function keyOf({ db }: TestDatabase, definition: Definition, run_id: string) {
    const pinned = (await createRunLedger(db).findPinned(run_id)) ?? expect.unreachable("the run is there");
    const decided = await createRunLedger(db).recordRound(run_id, plainRound(pinned, activityOf(definition)));
    const [step] = decided.tasks;
    return (await createTaskLedger(db).begin(step?.task_id ?? ""))?.idempotency_key ?? "";
  }

  test("is the same on two fresh ledgers for the same event, and another for a rerun", async () => {
    const other = await createTestDatabase();
    const name = `d-${crypto.randomUUID()}`;
    const runIn = async (ledger: TestDatabase) => {
      const definition = await storeDefinition(ledger, { name, task_templates: [logTask("a")] });
      return { definition, run_id: (await claim(ledger, definition.id, envelopeOf("the-same"))).run_id };
    };
    try {
      const [here, there] = [await runIn(database), await runIn(other)];
      const key = await keyOf(database, here.definition, here.run_id);
      expect(await keyOf(other, there.definition, there.run_id)).toBe(key);
      const rerun = await createAcceptanceLedger(database.db).acceptRerun({
        run_id: here.run_id,
        actor: "test",
        from: "start",
        version: "latest",
      });
      await claim(database, here.definition.id, { run_id: rerun.run_id });
      expect(await keyOf(database, here.definition, rerun.run_id)).not.toBe(key);
    } finally {
      await other.close();
    }
  });

  test("that an earlier release decided is still its id", async () => {
    const {
      tasks: [task],
    } = await decidedRun("a");
    await database.sql`update actcore.tasks set idempotency_key = null where task_id = ${task.task_id}`;
    expect(await tasks.begin(task.task_id)).toMatchObject({ idempotency_key: task.task_id });
    expect(await tasksOf(task.run_id)).toMatchObject([{ idempotency_key: task.task_id }]);
  });
});

describe("a task", () => {
  test.each<[what: string, body: unknown, kept: unknown]>([
    ["U+0000", { text: "a\u0000b" }, { text: "a\\u0000b" }],
    ["U+0000 in a key", [{ "\u0000": 1 }], [{ "\\u0000": 1 }]],
    ["half of a surrogate pair", { deep: [{ "\ud800": "\udc00x" }] }, { deep: [{ "\ufffd": "\ufffdx" }] }],
  ])("whose receiver answered %s fails its run like any other", async (_, body, kept) => {
    const {
      run_id,
      tasks: [task],
    } = await decidedRun("a");
    await tasks.begin(task.task_id);
    await tasks.fail(task.task_id, 1, { ...failed, details: { response: { status: 404, body } } });
    expect(await runs.close({ run_id, failures: [] })).toMatchObject({ status: "failed", reason: "task_failed" });
    expect(await reader.findRun(run_id)).toMatchObject({ error: "a: answered 404" });
    expect(await reader.findTask(task.task_id)).toMatchObject({
      error: { ...failed, details: { response: { status: 404, body: kept } } },
    });
  });

  test("is begun, and ends with its result", async () => {
    const {
      tasks: [task],
      run_id,
    } = await decidedRun("a");
    const attempt = await tasks.begin(task.task_id);
    expect(attempt).toMatchObject({
      task_id: task.task_id,
      key: "a",
      type: "log",
      params: { message: "a" },
      attempt: 1,
      timeout_ms: 30_000,
      input: { run: { run_id, trigger: "manual", scheduled_for: null } },
    });
    expect(await reader.findTask(task.task_id)).toMatchObject({ status: "running", attempts: 1 });
    await tasks.succeed(task.task_id, 1, { text: "a\u0000b" });
    expect(await reader.findTask(task.task_id)).toMatchObject({
      status: "succeeded",
      result: { text: "a\u0000b" },
      error: null,
      finished_at: expect.any(String),
    });
    expect(await tasks.begin(task.task_id)).toBeUndefined();
  });

  test("sees the event that its run is about", async () => {
    const { definition } = await claimedRun(database, ["a"]);
    const envelope = envelopeOf(`e-${crypto.randomUUID()}`, { payload: { n: 1 }, subject: "users/1" });
    const { run_id } = await claim(database, definition.id, envelope);
    const {
      tasks: [step],
    } = await runs.recordRound(run_id, plainRound(runOf(run_id), activityOf(definition)));
    expect((await tasks.begin(step?.task_id ?? ""))?.input.event).toEqual({
      ...{ subject: null, attributes: {} },
      ...envelope,
    } as never);
  });

  test("that is tried again keeps the error of the last try until it succeeds", async () => {
    const {
      tasks: [task],
    } = await decidedRun("a");
    await tasks.begin(task.task_id);
    await tasks.retry(task.task_id, 1, failed);
    expect(await reader.findTask(task.task_id)).toMatchObject({ status: "retrying", error: failed, finished_at: null });
    await tasks.begin(task.task_id);
    await tasks.succeed(task.task_id, 2, null);
    expect(await reader.findTask(task.task_id)).toMatchObject({ status: "succeeded", error: null, attempts: 2 });
  });

  test("ignores the late word of an earlier attempt", async () => {
    const {
      tasks: [task],
    } = await decidedRun("a");
    await tasks.begin(task.task_id);
    await tasks.begin(task.task_id);
    await tasks.fail(task.task_id, 1, failed);
    expect(await reader.findTask(task.task_id)).toMatchObject({ status: "running", attempts: 2, error: null });
  });

  test("that has failed stays so", async () => {
    const {
      tasks: [task],
    } = await decidedRun("a");
    await tasks.begin(task.task_id);
    await tasks.fail(task.task_id, 1, failed);
    await tasks.succeed(task.task_id, 1, {});
    expect(await reader.findTask(task.task_id)).toMatchObject({ status: "failed", error: failed, result: null });
  });

  test("that nobody recorded cannot be begun", async () => {
    await expect(tasks.begin(crypto.randomUUID())).rejects.toMatchObject({ code: "task_not_found" });
  });
});

describe("a run is closed", () => {
  test("as succeeded when its tasks did, and a second time as it was", async () => {
    const {
      run_id,
      tasks: [task],
    } = await decidedRun("a");
    await tasks.begin(task.task_id);
    await tasks.succeed(task.task_id, 1, {});
    const answer = await runs.close({ run_id, failures: [] });
    const closed = await reader.findRun(run_id);
    const activity = { activity_id: closed?.activity_id ?? "", activity_name: closed?.activity_name ?? "" };
    expect(answer).toEqual({ run_id, status: "succeeded", activity, closedNow: true });
    const interruption = { status: "cancelled" } as const;
    expect(await runs.close({ run_id, failures: [], interruption })).toEqual({
      run_id,
      status: "succeeded",
      activity,
      closedNow: false,
    });
    expect(await reader.findRun(run_id)).toEqual(closed);
  });

  test("as failed when a task is, naming it", async () => {
    const {
      run_id,
      tasks: [a, b],
    } = await decidedRun("a", "b");
    for (const { task_id } of [a, b]) await tasks.begin(task_id);
    await tasks.fail(a.task_id, 1, failed);
    await tasks.succeed(b.task_id, 1, {});
    const failures = [{ task_id: a.task_id, message: "what the engine says" }];
    expect(await runs.close({ run_id, failures })).toMatchObject({ status: "failed", reason: "task_failed" });
    expect(await reader.findRun(run_id)).toMatchObject({ status: "failed", error: `a: ${failed.message}` });
    expect(await reader.findTask(a.task_id)).toMatchObject({ error: failed });
  });

  test("with its unfinished tasks failed, for the reason that only the engine knows", async () => {
    const {
      run_id,
      tasks: [a, b],
    } = await decidedRun("a", "b");
    await runs.close({ run_id, failures: [{ task_id: a.task_id, message: "worker \u0000 lost" }] });
    expect(await tasksOf(run_id)).toMatchObject([
      { status: "failed", error: { code: "not_finished", message: expect.stringMatching(/^worker .* lost$/) } },
      { status: "failed", error: { code: "not_finished", message: "the run ended before the task did" } },
    ]);
    expect(b.status).toBe("pending");
  });

  test("with a task failed by the loss of its worker, and not by what an earlier try had met", async () => {
    const {
      run_id,
      tasks: [a],
    } = await decidedRun("a");
    await tasks.begin(a.task_id);
    await tasks.retry(a.task_id, 1, failed);
    await tasks.begin(a.task_id);
    const failure = { task_id: a.task_id, code: "worker_lost", message: "its worker was lost" } as const;
    await runs.close({ run_id, failures: [failure] });
    expect(await reader.findTask(a.task_id)).toMatchObject({
      status: "failed",
      error: { code: "worker_lost", message: "its worker was lost" },
    });
    expect(await reader.findRun(run_id)).toMatchObject({ reason: "task_failed", error: "a: its worker was lost" });
  });

  test("with a task that no worker began, and says that nothing was done", async () => {
    const {
      run_id,
      tasks: [a],
    } = await decidedRun("a");
    const failure = { task_id: a.task_id, code: "worker_lost", message: "it may have taken effect" } as const;
    await runs.close({ run_id, failures: [failure] });
    expect(await reader.findTask(a.task_id)).toMatchObject({
      status: "failed",
      error: { code: "worker_lost", message: expect.stringMatching(/nothing was done$/) },
    });
  });

  test("as failed when it ended before its decision, with the message", async () => {
    const { run_id } = await claimedRun(database, ["a"]);
    const interruption = { status: "failed", message: "no \u0000 definition" } as const;
    expect(await runs.close({ run_id, failures: [], interruption })).toMatchObject({
      status: "failed",
      reason: "error",
    });
    expect((await reader.findRun(run_id))?.error).toMatch(/^no .* definition$/);
  });

  test("as cancelled, and so are its unfinished tasks", async () => {
    const {
      run_id,
      tasks: [a],
    } = await decidedRun("a", "b");
    await tasks.begin(a.task_id);
    await tasks.succeed(a.task_id, 1, {});
    const close = await runs.close({ run_id, failures: [], interruption: { status: "cancelled" } });
    expect(close).toMatchObject({ status: "cancelled", closedNow: true });
    expect((await tasksOf(run_id)).map(({ status }) => status)).toEqual(["succeeded", "cancelled"]);
  });

  test("only when it is there", async () => {
    await expect(runs.close({ run_id: crypto.randomUUID(), failures: [] })).rejects.toMatchObject({
      code: "run_not_found",
    });
  });
});
