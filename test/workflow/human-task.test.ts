/** Runs that wait for a person, through a real Temporal, with planned steps. */
import { describe, expect, test } from "bun:test";
import { LOOK_AGAIN } from "../../src/run/human.ts";
import { type TaskStep, taskWorkflowId } from "../../src/run/run.ts";
import { eventually } from "../support/engines.ts";
import { recordHistory, stepOf, usePlannedWorkers } from "../support/workflow.ts";

const workers = usePlannedWorkers();

const steps = (activityId: string): TaskStep[] => [
  { ...stepOf(`run-${activityId}/approve`), workflow: "HumanTaskWorkflow" },
];
const handleOf = (activityId: string) => workers.client.workflow.getHandle(taskWorkflowId(`run-${activityId}/approve`));

describe("a run with a task for a person", () => {
  test("waits until it is told to look again, and goes on when the ledger says that the task is over", async () => {
    const started = await workers.start({
      steps,
      look: (_, before) => (before === 0 ? { over: false } : { over: true }),
    });
    const { handle, calls, activityId } = started;
    await eventually("the task was looked at", async () => calls.looks === 1);
    expect((await handle.describe()).status.name).toBe("RUNNING");
    await handleOf(activityId).signal(LOOK_AGAIN);
    await handle.result();
    expect(calls).toMatchObject({ looks: 2, closes: [{ failures: [] }] });
    await recordHistory("human-task", handle);
    await recordHistory("human-task-child", handleOf(activityId));
  });

  test("looks by itself when time does something to the task, and hears why it failed", async () => {
    const failure = { code: "human_expired", message: "nobody decided" };
    const { calls, activityId } = await workers.run("human-task-expired", {
      steps,
      look: (_, before) => (before < 2 ? { over: false, wake_in_ms: 200 } : { over: true, failure }),
    });
    expect(calls.looks).toBe(3);
    expect(calls.closes).toMatchObject([
      { failures: [{ task_id: `run-${activityId}/approve`, message: "nobody decided" }] },
    ]);
    await recordHistory("human-task-expired-child", handleOf(activityId));
  });

  test("ends with the run when that is cancelled", async () => {
    const { handle, calls, activityId } = await workers.start({ steps, look: () => ({ over: false }) });
    await eventually("the task was looked at", async () => calls.looks === 1);
    await handle.cancel();
    await handle.result().catch(() => {});
    expect(calls.closes).toMatchObject([{ interruption: { status: "cancelled" } }]);
    expect((await handleOf(activityId).describe()).status.name).toBe("CANCELLED");
  });
});
