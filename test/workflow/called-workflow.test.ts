/** Runs whose tasks are workflows of the user's own, through a real Temporal, with planned steps. */
import { describe, expect, test } from "bun:test";
import type { Call } from "../../src/run/call.ts";
import { ORCHESTRATOR_QUEUE, type TaskStep, taskWorkflowId } from "../../src/run/run.ts";
import { eventually } from "../support/engines.ts";
import { type Plan, recordHistory, stepOf, usePlannedWorkers } from "../support/workflow.ts";

const workers = usePlannedWorkers();

/** Records the history of the run, and that of the workflow of ours that does its task. */
async function run(name: string, plan: Plan) {
  const ended = await workers.run(name, plan);
  await recordTaskHistory(name, ended.activityId);
  return ended;
}

const recordTaskHistory = (name: string, activityId: string) =>
  recordHistory(`${name}-task`, workers.client.workflow.getHandle(taskWorkflowId(`run-${activityId}/call`)));

/** One task that a workflow does. */
const steps =
  (rest: Partial<TaskStep> = {}) =>
  (activityId: string): TaskStep[] => [{ ...stepOf(`run-${activityId}/call`), workflow: "CalledWorkflow", ...rest }];

/** Calls a workflow that is there and ends at once: the one that does such tasks, of a task that is over. */
function callOf(taskId: string, rest: Partial<Call> = {}): Call | undefined {
  const [runId, name] = taskId.split("/");
  if (name === "over") return undefined;
  const workflow_id = `call-${crypto.randomUUID()}`;
  const run = { run_id: runId ?? "", activity_id: "planned", activity_name: "planned" };
  const tried = { task_id: taskId, attempt: 1, key: "call", type: "workflow", trace_id: "t", input: { run } };
  const call = { tried, workflow: "CalledWorkflow", task_queue: ORCHESTRATOR_QUEUE, args: [`${runId}/over`] };
  return { ...call, wait: true, timeout_ms: 10_000, cancel_ms: 500, workflow_id, ...rest };
}
const QUIET = { task_queue: "nobody", timeout_ms: 1000 };

describe("a task that a workflow of the user does", () => {
  test("is over when that workflow is, with what it answered", async () => {
    const { calls } = await run("called-workflow", { steps: steps(), call: (id) => callOf(id) });
    expect(calls.called).toEqual([{ ok: true, result_json: "null" }]);
    expect(calls.closes).toMatchObject([{ failures: [] }]);
  });

  test("that is not waited for is over when the workflow is started", async () => {
    const { calls } = await run("called-workflow-started", {
      steps: steps(),
      call: (id) => callOf(id, { ...QUIET, wait: false, workflow_id: "call-started" }),
    });
    expect(calls.called).toEqual([
      { ok: true, result_json: expect.stringMatching(/^{"workflow_id":"call-started","run_id":"[0-9a-f-]{36}"}$/) },
    ]);
  });

  test("fails by its timeout where no worker takes the workflow, after as many tries as it has", async () => {
    const { calls, activityId } = await run("called-workflow-without-worker", {
      steps: steps({ max_attempts: 2 }),
      call: (id) => callOf(id, QUIET),
    });
    const failure = { ok: false, code: "workflow_timeout" };
    expect(calls.called).toMatchObject([
      { ...failure, again: true },
      { ...failure, again: false },
    ]);
    expect(calls.closes).toMatchObject([
      {
        failures: [
          {
            task_id: `run-${activityId}/call`,
            message: expect.stringMatching(
              /^workflow CalledWorkflow on the queue nobody \(call-.*\) was not over within 1000 ms$/,
            ),
          },
        ],
      },
    ]);
  });

  test("ends with its run when that is cancelled, also where no worker hears of it", async () => {
    const { handle, calls, activityId } = await workers.start({
      steps: steps(),
      call: (id) => callOf(id, { ...QUIET, timeout_ms: 600_000, workflow_id: "call-unheard" }),
    });
    const called = workers.client.workflow.getHandle("call-unheard");
    await eventually("it is started", () => called.describe().catch(() => undefined));
    await handle.cancel();
    await handle.result().catch(() => {});
    await recordHistory("called-workflow-cancelled", handle);
    await recordTaskHistory("called-workflow-cancelled", activityId);
    // It stays open in the ledger until the run closes.
    expect(calls.called).toMatchObject([{ code: "workflow_cancelled", again: true }]);
    expect(calls.closes).toMatchObject([{ interruption: { status: "cancelled" } }]);
    const { status } = await eventually("it has ended", async () => {
      const described = await called.describe();
      return described.status.name !== "RUNNING" && described;
    });
    expect(status.name).toBe("TERMINATED");
  });
});
