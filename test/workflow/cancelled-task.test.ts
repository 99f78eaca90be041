/** Tasks that are cancelled one by one: through a real Temporal, with planned steps. */
import { expect, test } from "bun:test";
import { Context } from "@temporalio/activity";
import type { WorkflowHandle } from "@temporalio/client";
import { CANCEL_TASK, type RunProgress } from "../../src/run/run.ts";
import { eventually } from "../support/engines.ts";
import { groupOf, recordHistory, usePlannedWorkers } from "../support/workflow.ts";

const workers = usePlannedWorkers();

/** A try that ends only when it is cancelled. */
const hang = () => {
  const context = Context.current();
  const beating = setInterval(() => context.heartbeat(), 200);
  return context.cancelled.finally(() => clearInterval(beating));
};
const cut = (handle: WorkflowHandle, id: string, name: string) => handle.signal(CANCEL_TASK, `run-${id}/${name}`);

test("one that is being done is cut and recorded, and the others are done", async () => {
  const slow = Promise.withResolvers<void>();
  const execute = (taskId: string) => (taskId.endsWith("/hangs") ? hang() : slow.promise);
  const { handle, activityId, calls } = await workers.start({ tasks: ["hangs", "slow"], execute });
  await eventually("both are being done", async () => calls.executed.length === 2);
  await cut(handle, activityId, "hangs");
  await eventually("it is recorded while the other is done", async () => calls.failed.length === 1);
  slow.resolve();
  expect(await handle.result()).toMatchObject({ status: "succeeded" });
  expect(calls.failed).toMatchObject([{ task_id: `run-${activityId}/hangs` }]);
  expect(calls.closes).toMatchObject([{ failures: [], reopened: 0 }]);
  await recordHistory("task-cancelled", handle);
}, 40_000);

test("one that waits for its next try makes none, and one that was cut before its turn never begins", async () => {
  const { handle, activityId, calls } = await workers.start({ tasks: ["a"], delay: 600_000 });
  await cut(handle, activityId, "a");
  expect(await handle.result()).toMatchObject({ status: "succeeded" });
  expect(calls).toMatchObject({ executed: [], failed: [{ task_id: `run-${activityId}/a` }] });
  await recordHistory("task-cancelled-before-next-try", handle);

  const slow = Promise.withResolvers<void>();
  const early = await workers.start({
    claim: { rules: { max_parallel: 1 } },
    decide: async (id) => ({ groups: [groupOf(id, "g", ["first", "second"])] }),
    execute: () => slow.promise,
  });
  await eventually("the first one is being done", async () => early.calls.executed.length === 1);
  await cut(early.handle, early.activityId, "second");
  // The workflow has handled the signal when it answers.
  await early.handle.query("__stack_trace").catch(() => {});
  slow.resolve();
  await early.handle.result();
  expect(early.calls).toMatchObject({ executed: ["first"], failed: [{ task_id: `run-${early.activityId}/second` }] });
}, 40_000);

test("of a group that others depend on, the run decides on as after a failure", async () => {
  let rounds = 0;
  const decide = async (id: string): Promise<RunProgress> => ({
    groups: rounds++ === 0 ? [groupOf(id, "a", ["hangs"], { leads_on: true })] : [groupOf(id, "b", ["b"])],
  });
  const execute = (taskId: string) => (taskId.endsWith("/hangs") ? hang() : Promise.resolve());
  const claim = { rules: { max_parallel: 50 } };
  const { handle, activityId, calls } = await workers.start({ claim, decide, execute });
  await eventually("it is being done", async () => calls.executed.length === 1);
  await cut(handle, activityId, "hangs");
  await handle.result();
  expect(calls).toMatchObject({ decisions: 2, executed: ["hangs", "b"], failed: [{}] });
  await recordHistory("leading-task-cancelled", handle);
}, 40_000);

test("a run that is cancelled with its task ends as cancelled", async () => {
  const { handle, activityId, calls } = await workers.start({ tasks: ["hangs"], execute: hang });
  await eventually("it is being done", async () => calls.executed.length === 1);
  await handle.cancel();
  await cut(handle, activityId, "hangs").catch(() => {});
  await handle.result().catch(() => {});
  // The signal may make the workflow repeat its close.
  expect(calls.closes[0]).toMatchObject({ interruption: { status: "cancelled" } });
}, 40_000);
