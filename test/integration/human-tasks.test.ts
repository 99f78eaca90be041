/** People's tasks on the real ledger and over REST: asked once, decided once, and told to the run. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLog } from "../../src/kernel/log.ts";
import { createHumanLedger } from "../../src/postgres/run/human-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import type { HumanLedger } from "../../src/run/human-ledger.ts";
import type { TaskGroup } from "../../src/run/run.ts";
import { createTestApi, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { storeDefinition } from "../support/ledger.ts";
import { createTestSteps } from "../support/run-steps.ts";

let database: TestDatabase;
let api: TestApi;
let humans: HumanLedger;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
  humans = createHumanLedger(database.db, createLog("silent"));
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const form = { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } };

/** A run whose human task has been asked, as its workflow does it. */
async function askTask(params: object = {}, payload: object = {}) {
  const template = { key: "approve", type: "human", params: { title: "Approve {{ event.payload.what }}", ...params } };
  const { id } = await storeDefinition(database, { task_templates: [template] });
  const workflow_id = crypto.randomUUID();
  const claim = await createTestSteps(database).claimRun({
    ...{ activity_id: id, trigger_event: { what: "it", ...payload }, workflow_id, first_execution_run_id: workflow_id },
  });
  const [group] = (claim as { groups?: TaskGroup[] }).groups ?? [];
  expect(group?.workflow).toBe("HumanTaskWorkflow");
  const task_id = group?.task_ids[0] ?? "";
  const outlook = await humans.look(task_id);
  return { activity_id: id, run_id: claim.run_id, task_id, outlook };
}

const read = async (taskId: string) => (await api.get(`/tasks/${taskId}`)).body;
const act = (taskId: string, action: string, version: number | undefined, body: object = {}) =>
  api.post(`/tasks/${taskId}/${action}`, body, version === undefined ? {} : { "if-match": `"${version}"` });
const eventsOf = (taskId: string) =>
  database.sql`select type, payload from actcore.own_events where subject = ${taskId} order by created_at, event_id`;

describe("a human task", () => {
  test("waits, is told of once, and is found by whom it waits for and when it is due", async () => {
    const group = crypto.randomUUID();
    const { task_id } = await askTask({ assignee: "ada", group, due_in: "1h", remind_every: "30m" });
    expect((await humans.look(task_id)).over).toBe(false);
    expect(await read(task_id)).toMatchObject({
      ...{ status: "waiting", attempts: 1, assignee: "ada" },
      human: { state: "open", version: 1, title: "Approve it", assignee: "ada", group, reminders: 0 },
    });
    expect(await eventsOf(task_id)).toMatchObject([
      { type: "actcore.task.waiting", payload: { title: "Approve it", assignee: "ada", group, reminder: 0, depth: 1 } },
    ]);
    const found = async (query: string) =>
      (await api.get(`/tasks?${query}`)).body.map((task: { task_id: string }) => task.task_id);
    const [soon, later] = [Date.now() + 60_000, Date.now() + 7_200_000].map((ms) => new Date(ms).toISOString());
    expect(await found(`group=${group}`)).toEqual([task_id]);
    expect(await found(`group=${group}&assignee=bob`)).toEqual([]);
    expect(await found(`group=${group}&due_before=${later}`)).toEqual([task_id]);
    expect(await found(`group=${group}&due_before=${soon}`)).toEqual([]);
    expect(await found("status=waiting")).toContain(task_id);
  });

  test("is claimed and completed with an answer that fits its form, which the run goes on with", async () => {
    const { task_id } = await askTask({ form });
    const claimed = await act(task_id, "claim", 1, { as: "ada" });
    expect([claimed.status, claimed.headers.get("etag")]).toEqual([200, '"2"']);
    expect(await act(task_id, "complete", 2, { as: "bob", answer: { approved: true } })).toMatchObject({
      ...{ status: 409, body: { code: "task_claimed" } },
    });
    const unfit = await act(task_id, "complete", 2, { as: "ada", answer: { approved: "yes" } });
    expect([unfit.status, unfit.body.code, unfit.body.errors[0].path]).toEqual([
      422,
      "answer_invalid",
      "/answer/approved",
    ]);
    const done = await act(task_id, "complete", 2, { as: "ada", answer: { approved: true }, comment: "fine" });
    expect(done.body).toMatchObject({
      ...{ status: "succeeded", human: { state: "completed", decided_by: "ada", comment: "fine" } },
      result: { decision: "completed", by: "ada", answer: { approved: true }, comment: "fine" },
    });
    expect(api.called).toContain(task_id);
    expect(await humans.look(task_id)).toEqual({ over: true });
    expect(await act(task_id, "reject", 3, { as: "ada" })).toMatchObject({
      status: 409,
      body: { code: "task_decided" },
    });
    const audit =
      await database.sql`select actor, action from actcore.audit_log where subject = ${`task:${task_id}`} order by entry_id`;
    expect(audit.map(({ action }) => action)).toEqual(["task.claim", "task.complete"]);
  });

  test("is rejected with a comment, which is why the task failed", async () => {
    const { task_id } = await askTask();
    await act(task_id, "reject", 1, { as: "ada", comment: "too expensive" });
    expect(await read(task_id)).toMatchObject({
      ...{ status: "failed", human: { state: "rejected" } },
      error: { code: "human_rejected", message: "ada rejected it: too expensive", details: { by: "ada" } },
    });
    expect(await humans.look(task_id)).toEqual({
      ...{ over: true, failure: { code: "human_rejected", message: "ada rejected it: too expensive" } },
    });
  });

  test("wants to know which version of it somebody decides about", async () => {
    const { task_id } = await askTask();
    expect(await act(task_id, "claim", undefined)).toMatchObject({ status: 428, body: { code: "version_required" } });
    await act(task_id, "reassign", 1, { assignee: "bob" });
    expect(await act(task_id, "complete", 1, { as: "bob" })).toMatchObject({
      status: 409,
      body: { code: "task_changed" },
    });
    expect((await act(task_id, "complete", 2, { as: "bob" })).status).toBe(200);
  });

  test("takes one decision of two that are made at once, 200 times", async () => {
    const tasks: Awaited<ReturnType<typeof askTask>>[] = [];
    for (let n = 0; n < 8; n++) tasks.push(...(await Promise.all(Array.from({ length: 25 }, () => askTask()))));
    const pairs = await Promise.all(
      tasks.map(({ task_id }, index) =>
        Promise.all([
          act(task_id, "complete", 1, { as: "ada", answer: { by: "ada" } }),
          act(task_id, index % 2 === 0 ? "complete" : "reject", 1, { as: "bob" }),
        ]),
      ),
    );
    expect(pairs.filter((pair) => pair.filter(({ status }) => status === 200).length === 1)).toHaveLength(200);
    expect(pairs.flat().filter(({ status }) => status === 409)).toHaveLength(200);
    for (const [index, { task_id }] of tasks.entries()) {
      const winner = pairs[index]?.[0].status === 200 ? "ada" : "bob";
      expect((await read(task_id)).human.decided_by).toBe(winner);
    }
  }, 60_000);

  test("of a run that is over waits for nobody", async () => {
    const { task_id, run_id } = await askTask();
    await createRunLedger(database.db).close({ run_id, failures: [], interruption: { status: "cancelled" } });
    expect(await act(task_id, "complete", 1)).toMatchObject({ status: 409, body: { code: "task_not_waiting" } });
    expect((await read(task_id)).human.state).toBe("cancelled");
    expect(await humans.look(task_id)).toMatchObject({ over: true, failure: { code: "cancelled" } });
  });

  test("reminds, becomes another's when it is due, and expires, each told once", async () => {
    const times = { due_in: "1m", remind_every: "1m", expire_in: "1h", escalate_to: { group: "managers" } };
    const { task_id, outlook } = await askTask(times);
    expect(outlook).toMatchObject({ over: false, wake_in_ms: 60_000 });
    const shift = (column: string) =>
      database.sql`update actcore.human_tasks set ${database.sql(column)} = now() - interval '1 second' where task_id = ${task_id}`;
    await shift("due_at");
    await shift("next_reminder_at");
    await humans.look(task_id);
    await humans.look(task_id);
    expect((await read(task_id)).human).toMatchObject({ state: "open", group: "managers", reminders: 1, version: 2 });
    await shift("expire_at");
    expect(await act(task_id, "complete", 2)).toMatchObject({ status: 409, body: { code: "task_expired" } });
    expect(await humans.look(task_id)).toMatchObject({ over: true, failure: { code: "human_expired" } });
    expect(await act(task_id, "complete", 3)).toMatchObject({ status: 409, body: { code: "task_decided" } });
    const told = (await eventsOf(task_id)).map(({ type }) => type.replace("actcore.task.", ""));
    expect(told.toSorted()).toEqual(["due", "escalated", "expired", "waiting", "waiting"]);
    await database.sql`update actcore.human_tasks set decided_at = now() - interval '10 seconds' where task_id = ${task_id}`;
    expect(await humans.listUntold(500)).not.toContain(task_id);
  });

  test("that is decided while the engine is away is told of later, and once", async () => {
    const { task_id } = await askTask();
    api.away.temporal = true;
    expect((await act(task_id, "complete", 1)).status).toBe(200);
    api.away.temporal = false;
    expect(await humans.listUntold(500)).not.toContain(task_id);
    await database.sql`update actcore.human_tasks set decided_at = now() - interval '10 seconds' where task_id = ${task_id}`;
    expect(await humans.listUntold(500)).toContain(task_id);
    await humans.look(task_id);
    expect(await humans.listUntold(500)).not.toContain(task_id);
  });

  test("that is no human task, and one that is not there, are named", async () => {
    const { id } = await storeDefinition(database, {
      task_templates: [{ key: "a", type: "http", timeout: "1m", params: { url: "http://127.0.0.1:1/" } }],
    });
    const workflow_id = crypto.randomUUID();
    const request = { activity_id: id, trigger_event: {}, workflow_id, first_execution_run_id: workflow_id };
    const claim = (await createTestSteps(database).claimRun(request)) as { steps?: { task_id: string }[] };
    const other = claim.steps?.[0]?.task_id ?? "";
    expect(await act(other, "claim", 1)).toMatchObject({ status: 409, body: { code: "task_not_human" } });
    expect((await act(crypto.randomUUID(), "claim", 1)).status).toBe(404);
  });
});

describe("a human task that is retried or cancelled by hand", () => {
  test("is asked anew when it was rejected, its run being opened again", async () => {
    const group = crypto.randomUUID();
    const { task_id, run_id } = await askTask({ group });
    await act(task_id, "reject", 1, { as: "ada", comment: "no" });
    await createTestSteps(database).closeRun({ run_id, failures: [], reopened: 0 });
    expect(await api.post(`/tasks/${task_id}/retry`, {})).toMatchObject({ status: 202, body: { run_id } });
    expect(await read(task_id)).toMatchObject({ status: "pending", error: null, human: null });
    expect((await humans.look(task_id)).over).toBe(false);
    expect(await read(task_id)).toMatchObject({
      ...{ status: "waiting", attempts: 2, retried: 1, human: { state: "open", decided_by: null } },
    });
    expect((await eventsOf(task_id)).map(({ type }) => type)).toEqual(["actcore.task.waiting", "actcore.task.waiting"]);
    expect(await act(task_id, "complete", 1, { as: "bob" })).toMatchObject({ body: { code: "task_changed" } });
    expect((await act(task_id, "complete", 3, { as: "ada" })).body).toMatchObject({ status: "succeeded" });
  });

  test("is cancelled when nothing waits for the person any more, and is not found as theirs then", async () => {
    const group = crypto.randomUUID();
    const { task_id, run_id } = await askTask({ group });
    expect(await api.post(`/tasks/${task_id}/cancel`, {})).toMatchObject({ status: 202 });
    await createTestSteps(database).failTasks(run_id, [{ task_id, message: "it was cancelled" }]);
    expect(await read(task_id)).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
    expect((await api.get(`/tasks?group=${group}`)).body).toEqual([]);
    expect((await act(task_id, "complete", 1, { as: "ada" })).body).toMatchObject({ code: "task_not_waiting" });
  });
});
