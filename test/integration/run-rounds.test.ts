/** Runs with rules on the real ledger: what each round records and answers, and what the same step made again finds. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskLedger } from "../../src/postgres/run/task-ledger.ts";
import type { Claim, StartArgument, TaskGroup } from "../../src/run/run.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { logTask, readTasks, storeDefinition } from "../support/ledger.ts";
import { createTestSteps, type TestStepsOptions } from "../support/run-steps.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const steps = (options: TestStepsOptions = {}) => createTestSteps(database, options);
const http = (key: string, rules: object = {}) => ({
  ...{ key, type: "http", timeout: "10s", params: { url: `http://127.0.0.1:1/${key}` } },
  ...rules,
});

async function newRequest(rules: object, payload: StartArgument = {}) {
  const { id } = await storeDefinition(database, rules as Record<string, unknown>);
  const workflow_id = crypto.randomUUID();
  return { activity_id: id, trigger_event: payload, workflow_id, first_execution_run_id: workflow_id };
}

async function runOf({ run_id }: Claim) {
  const [row] = await database.sql`select status, reason, detail, error, tasks_spawned, decisions from actcore.runs
    where run_id = ${run_id}`;
  return row ?? expect.unreachable("the run is there");
}

const groupsOf = (claim: Claim) => (claim as { groups?: TaskGroup[] }).groups ?? [];
const idsOf = (groups: readonly TaskGroup[]) => groups.map(({ key, task_ids }) => [key, task_ids.length]);
const tasksOf = ({ run_id }: Claim) => readTasks(database, { run_id });

/** Ends all tasks of the groups well, with their keys as results. */
async function succeed(groups: readonly TaskGroup[]) {
  const tasks = createTaskLedger(database.db);
  for (const { key, task_ids } of groups)
    for (const id of task_ids) {
      await tasks.begin(id);
      await tasks.succeed(id, 1, { of: key });
    }
}

describe("a claim of a run with rules", () => {
  test("whose condition is false skips it, and says which values decided it", async () => {
    const request = await newRequest({ when: "event.payload.n > 3", task_templates: [logTask("a")] }, { n: 1 });
    const claim = await steps().claimRun(request);
    expect(claim).toMatchObject({ closed: { status: "skipped", reason: "condition" } });
    expect(await runOf(claim)).toMatchObject({
      ...{ status: "skipped", detail: "payload.n is 1: event.payload.n > 3 is false", tasks_spawned: 0 },
      decisions: { templates: [{ key: "a", outcome: "not_reached" }] },
    });
    expect(await steps().claimRun(request)).toMatchObject({ run_id: claim.run_id });
  });

  test("does a small fan-out of quick tasks with the claim", async () => {
    const each = { ...logTask("a"), for_each: "event.payload.list", params: { message: "{{ item }}" } };
    const claim = await steps().claimRun(await newRequest({ task_templates: [each] }, { list: ["x", "y", "z"] }));
    expect(claim).toMatchObject({ closed: { status: "succeeded" } });
    expect(await tasksOf(claim)).toMatchObject([0, 1, 2].map((instance) => ({ instance, status: "succeeded" })));
    expect(await runOf(claim)).toMatchObject({
      tasks_spawned: 3,
      decisions: { round: 1, templates: [{ key: "a", outcome: "made", count: 3 }] },
    });
  });

  test("does no task with the claim that may take longer than the run", async () => {
    const template = { ...http("a"), timeout: "5s" };
    const claim = await steps().claimRun(await newRequest({ timeout: "2s", task_templates: [template] }));
    expect(claim).toMatchObject({ groups: [{ key: "a" }] });
    const inTime = await steps().claimRun(await newRequest({ timeout: "1m", task_templates: [template] }));
    expect(inTime).toMatchObject({ closed: { status: "succeeded" } });
  });

  test("answers the tasks that may be done, and the same ones when it is made again", async () => {
    const request = await newRequest({ task_templates: [http("a"), http("b", { depends_on: ["a"] })] });
    const claim = await steps().claimRun(request);
    expect(claim).toMatchObject({ rules: { max_parallel: 50 }, groups: [{ key: "a", leads_on: true }] });
    expect(groupsOf(await steps().claimRun(request))).toEqual(groupsOf(claim));
    expect(await tasksOf(claim)).toMatchObject([{ status: "pending" }, { status: "pending" }]);
  });

  test("made again after a worker was lost hands on the tries that are left, and fails the task that has none", async () => {
    const once = http("b", { retry: { max_attempts: 1 } });
    const request = await newRequest({ max_parallel: 1, task_templates: [http("a"), once] });
    const claim = await steps().claimRun(request);
    for (const { task_id } of await tasksOf(claim)) await createTaskLedger(database.db).begin(task_id);
    expect(groupsOf(await steps().claimRun(request))).toMatchObject([
      { key: "a", task_ids: [], steps: [{ max_attempts: 4 }] },
    ]);
    expect(await tasksOf(claim)).toMatchObject([
      { status: "running" },
      { status: "failed", error: { code: "worker_lost" } },
    ]);
  });

  test("that cannot be evaluated is left to a step of its own, which fails with the place", async () => {
    const claim = await steps().claimRun(
      await newRequest({ when: "event.payload.n > 3", task_templates: [logTask("a")] }),
    );
    expect(claim).not.toHaveProperty("closed");
    const error = await steps()
      .decideRun(claim.run_id)
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      type: "expression_failed",
      message: expect.stringMatching(/^\/when: /),
      nonRetryable: true,
    });
  });

  test("names a secret that is not there before any task is made", async () => {
    const template = { ...logTask("a"), params: { message: "{{ secret.NOT_THERE }}" } };
    const claim = await steps().claimRun(await newRequest({ task_templates: [logTask("b"), template] }));
    const error = await steps()
      .decideRun(claim.run_id)
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      type: "secret_missing",
      message: expect.stringMatching(/^\/task_templates\/1\/params: .*NOT_THERE/),
    });
    expect(await tasksOf(claim)).toEqual([]);
  });
});

describe("a round", () => {
  test("of a run that is closed while it is decided adds nothing, and ends", async () => {
    const reader = http("b", { depends_on: ["a"], when: "tasks.a.status == 'succeeded'" });
    const claim = await steps().claimRun(await newRequest({ task_templates: [http("a"), reader] }));
    await succeed(groupsOf(claim));
    const ledger = createRunLedger(database.db);
    const readState: typeof ledger.readState = async (...args) => {
      const state = await ledger.readState(...args);
      await ledger.close({ run_id: claim.run_id, failures: [], interruption: { status: "cancelled" } });
      return state;
    };
    expect(await steps({ runs: { readState } }).decideRun(claim.run_id)).toEqual({ groups: [] });
    expect(await tasksOf(claim)).toMatchObject([{ key: "a" }]);
    expect(await steps().closeRun({ run_id: claim.run_id, failures: [] })).toMatchObject({ status: "cancelled" });
  });

  test("evaluates what reads results when these are there, and releases what waited", async () => {
    const reader = {
      ...http("b", { depends_on: ["a"] }),
      params: { url: "http://127.0.0.1:1/{{ tasks.a.result.of }}" },
    };
    const claim = await steps().claimRun(
      await newRequest({ task_templates: [http("a"), reader, http("c", { depends_on: ["b"] })] }),
    );
    expect(idsOf(groupsOf(claim))).toEqual([["a", 1]]);
    await succeed(groupsOf(claim));
    const second = (await steps().decideRun(claim.run_id)) as { groups: TaskGroup[] };
    expect(idsOf(second.groups)).toEqual([["b", 1]]);
    expect((await tasksOf(claim))[1]).toMatchObject({ key: "b", params: { url: "http://127.0.0.1:1/a" } });
    await succeed(second.groups);
    expect(await steps().decideRun(claim.run_id)).toMatchObject({ groups: [{ key: "c" }] });
    expect(await runOf(claim)).toMatchObject({ tasks_spawned: 3 });
  });

  test("records a failure that only the engine saw, skips what depends on it, and the run fails", async () => {
    const templates = [
      http("a"),
      http("b", { depends_on: ["a"] }),
      http("mend", { depends_on: ["a"], run_when: "any_failed" }),
    ];
    const claim = await steps().claimRun(await newRequest({ task_templates: templates }));
    const [task_id = ""] = groupsOf(claim)[0]?.task_ids ?? [];
    await createTaskLedger(database.db).begin(task_id);
    const failure = { task_id, code: "worker_lost" as const, message: "lost" };
    const next = (await steps().decideRun(claim.run_id, [failure])) as { groups: TaskGroup[] };
    expect(idsOf(next.groups)).toEqual([["mend", 1]]);
    expect(await tasksOf(claim)).toMatchObject([{ status: "failed" }, { status: "skipped" }, { status: "pending" }]);
    expect((await runOf(claim)).decisions.templates[1]).toMatchObject({
      outcome: "skipped",
      cause: "dependency",
      reason: "a failed",
    });
    await succeed(next.groups);
    expect(await steps().closeRun({ run_id: claim.run_id, failures: [] })).toMatchObject({
      status: "failed",
      reason: "task_failed",
    });
    expect((await runOf(claim)).error).toBe("a: lost");
  });

  test("does not fail the run for a task that may fail", async () => {
    const templates = [http("a", { allow_failure: true }), http("b", { depends_on: ["a"], run_when: "all_done" })];
    const claim = await steps().claimRun(await newRequest({ task_templates: templates }));
    const [task_id = ""] = groupsOf(claim)[0]?.task_ids ?? [];
    const failure = { task_id, code: "worker_lost" as const, message: "lost" };
    await succeed(((await steps().decideRun(claim.run_id, [failure])) as { groups: TaskGroup[] }).groups);
    expect(await steps().closeRun({ run_id: claim.run_id, failures: [] })).toMatchObject({ status: "succeeded" });
  });

  test("made twice in one moment is recorded once", async () => {
    const claim = await steps().claimRun(
      await newRequest({
        task_templates: [http("a"), http("b", { depends_on: ["a"], when: "tasks.a.status == 'succeeded'" })],
      }),
    );
    await succeed(groupsOf(claim));
    const answers = await Promise.all([1, 2, 3].map(() => steps().decideRun(claim.run_id)));
    for (const answer of answers) expect(answer).toMatchObject({ groups: [{ key: "b" }] });
    expect(await runOf(claim)).toMatchObject({ tasks_spawned: 2, decisions: { round: 2 } });
  });

  test("that a release without decisions has recorded is not decided again", async () => {
    const claim = await steps().claimRun(
      await newRequest({ task_templates: [http("a"), http("b", { depends_on: ["a"] })] }),
    );
    await database.sql`update actcore.runs set decisions = null where run_id = ${claim.run_id}`;
    expect(await steps().decideRun(claim.run_id)).toMatchObject({ groups: [{ key: "a" }, { key: "b" }] });
  });

  test("that would read more than 32 MB of results fails, and says whose", async () => {
    const each = http("a", { for_each: "event.payload.list" });
    const templates = [each, http("b", { depends_on: ["a"], when: "tasks.a.size() > 0" })];
    const claim = await steps().claimRun(await newRequest({ task_templates: templates }, { list: [1, 2, 3, 4] }));
    await database.sql`update actcore.tasks set status = 'succeeded', finished_at = now(), attempts = 1,
      result = to_json(repeat('x', 9000000)) where run_id = ${claim.run_id}`;
    const error = await steps()
      .decideRun(claim.run_id)
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      type: "results_too_large",
      message: expect.stringContaining("the results of a have 36000008 bytes"),
    });
  });

  test("of a thousand items records them all, with texts as Postgres keeps them", async () => {
    const list = Array.from({ length: 1000 }, (_, n) => `item ${n} \u0000`);
    const each = {
      ...http("a", { for_each: "event.payload.list" }),
      params: { url: "http://127.0.0.1:1/", body: { text: "{{ item }}" } },
    };
    const claim = await steps().claimRun(await newRequest({ task_templates: [each] }, { list }));
    expect(idsOf(groupsOf(claim))).toEqual([["a", 1000]]);
    expect(await runOf(claim)).toMatchObject({ tasks_spawned: 1000 });
  });
});

test("a rerun from what failed takes over what succeeded, and does the rest", async () => {
  const templates = [
    http("a"),
    { ...http("b", { depends_on: ["a"] }), params: { url: "http://127.0.0.1:1/{{ tasks.a.result.of }}" } },
  ];
  const request = await newRequest({ task_templates: templates });
  const claim = await steps().claimRun(request);
  await succeed(groupsOf(claim));
  await steps().decideRun(claim.run_id);
  await steps().closeRun({ run_id: claim.run_id, failures: [] });
  const accepted = await createAcceptanceLedger(database.db).acceptRerun({
    run_id: claim.run_id,
    from: "failed",
    version: "latest",
    actor: "test",
  });
  const again = await steps().claimRun({
    ...request,
    trigger_event: { run_id: accepted.run_id },
    workflow_id: accepted.workflow_id,
  });
  expect(idsOf(groupsOf(again))).toEqual([["b", 1]]);
  const [old] = await tasksOf(claim);
  expect(await tasksOf(again)).toMatchObject([
    { key: "a", status: "succeeded", attempts: 0, result: { of: "a" }, taken_from: old?.task_id },
    { key: "b", status: "pending", taken_from: null },
  ]);
});

test("the context of a run is recorded once, and read by its expressions", async () => {
  const templates = [{ ...http("a"), params: { url: "http://127.0.0.1:1/{{ context.account.id }}" } }];
  const context_sources = [{ name: "account", type: "static", value: { id: 7 } }];
  const claim = await steps().claimRun(await newRequest({ context_sources, task_templates: templates }));
  expect(claim).toMatchObject({ rules: { context_ms: 10_000 } });
  expect(claim).not.toHaveProperty("groups");
  const runs = createRunLedger(database.db);
  const source = { name: "account", type: "static", status: "ok", duration_ms: 1, attempts: 1, bytes: 8 } as const;
  await runs.recordContext(claim.run_id, { values: { account: { id: 7 } }, sources: [source] });
  await runs.recordContext(claim.run_id, { values: { account: { id: 8 } }, sources: [source] });
  expect(await steps().decideRun(claim.run_id)).toMatchObject({ groups: [{ key: "a" }] });
  expect(await tasksOf(claim)).toMatchObject([{ params: { url: "http://127.0.0.1:1/7" } }]);
});

describe("a run of a shadow", () => {
  test("records its decisions and its tasks, does none of them, and is over", async () => {
    const request = await newRequest({
      shadow: true,
      task_templates: [
        http("each", { for_each: "event.payload.names", params: { url: "http://127.0.0.1:1/", body: "{{ item }}" } }),
        http("left", { when: "event.payload.n > 3" }),
        http("after", { depends_on: ["each"], params: { url: "http://127.0.0.1:1/{{ size(tasks.each) }}" } }),
      ],
    });
    const trigger_event = { names: ["a", "b"], n: 1 };
    const claim = await steps().claimRun({ ...request, trigger_event });
    expect(claim).toMatchObject({ closed: { status: "skipped", reason: "shadow" } });
    expect(await runOf(claim)).toMatchObject({
      ...{ status: "skipped", reason: "shadow", tasks_spawned: 2 },
      decisions: {
        templates: [
          { key: "each", outcome: "made", count: 2 },
          { key: "left", outcome: "skipped", reason: "payload.n is 1: event.payload.n > 3 is false" },
          {
            ...{ key: "after", outcome: "not_reached" },
            reason: "reads the results of each, and nothing is done in a shadow",
          },
        ],
      },
    });
    const tasks = await tasksOf(claim);
    expect(tasks.map(({ key, instance, status, attempts }) => [key, instance, status, attempts])).toEqual([
      ["each", 0, "skipped", 0],
      ["each", 1, "skipped", 0],
    ]);
    expect(await steps().claimRun({ ...request, trigger_event })).toMatchObject({ run_id: claim.run_id });
    expect((await tasksOf(claim)).length).toBe(2);
  });

  test("does not even log", async () => {
    const request = await newRequest({ shadow: true, task_templates: [logTask("a")] });
    const claim = await steps().claimRun(request);
    expect(claim).toMatchObject({ closed: { status: "skipped", reason: "shadow" } });
    expect(await tasksOf(claim)).toMatchObject([{ key: "a", status: "skipped", attempts: 0 }]);
  });
});
