/** What actcore starts and schedules in Temporal, in a namespace of its own, without a worker. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ScheduleNotFoundError, type ScheduleOptions } from "@temporalio/client";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../../src/run/run.ts";
import { createRunStarter } from "../../src/temporal/run-starter.ts";
import { createScheduler } from "../../src/temporal/schedules.ts";
import type { OwedRun } from "../../src/trigger/ledger.ts";
import { eventWorkflowId } from "../../src/trigger/occurrence.ts";
import type { Scheduler } from "../../src/trigger/projector.ts";
import { type SchedulePlan, scheduleId } from "../../src/trigger/schedule-plan.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";
import { openTestNamespace } from "../support/workflow.ts";

let temporal: Awaited<ReturnType<typeof openTestNamespace>>;
let scheduler: Scheduler;
beforeAll(async () => {
  temporal = await openTestNamespace();
  scheduler = createScheduler(temporal);
}, ENGINES_TIMEOUT_MS);
afterAll(() => temporal?.close());

function planOf(rest: Partial<SchedulePlan> = {}): SchedulePlan {
  const activity_id = crypto.randomUUID();
  return {
    schedule_id: scheduleId(activity_id),
    activity_id,
    activity_name: "heartbeat",
    cron_expressions: ["0 9 13 * *", "0 9 * * 5"],
    timezone: "Europe/Berlin",
    jitter_ms: 5000,
    paused: false,
    ...rest,
  };
}
function owedRunOf(activity_id: string, event_id: string): OwedRun {
  const workflow_id = eventWorkflowId(activity_id, event_id);
  return { activity_id, activity_name: "mail", workflow_id, trigger_event: { event_id } };
}
/** Not by `expect().rejects`: Bun waits in it without going on with gRPC, and the call runs into its deadline. */
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );
const describeSchedule = ({ schedule_id }: SchedulePlan) => temporal.client.schedule.getHandle(schedule_id).describe();

describe("a run", () => {
  test("is started under the event's one workflow id, and found by its activity", async () => {
    const activity_id = crypto.randomUUID();
    await createRunStarter(temporal).start(owedRunOf(activity_id, "e 1"));
    const handle = temporal.client.workflow.getHandle(`activity-${activity_id}:e 1`);
    const { type, taskQueue } = await handle.describe();
    expect([type, taskQueue]).toEqual([RUN_ACTIVITY_WORKFLOW, ORCHESTRATOR_QUEUE]);
    const query = `ActivityId = '${activity_id}' AND ActivityName = 'mail'`;
    await eventually("the run is listed", async () => {
      for await (const { workflowId } of temporal.client.workflow.list({ query })) return workflowId;
    });
    await handle.terminate();
  });

  test("is started once, however often, also when it has ended (I1)", async () => {
    const activity_id = crypto.randomUUID();
    const start = () => createRunStarter(temporal).start(owedRunOf(activity_id, "e"));
    await Promise.all([start(), start(), start()]);
    const handle = temporal.client.workflow.getHandle(`activity-${activity_id}:e`);
    const { runId } = await handle.describe();
    await handle.terminate();
    await start();
    expect(await handle.describe()).toMatchObject({ runId, status: { name: "TERMINATED" } });
  });
});

test("what became of a run is told by its workflow: missing, open, or how it ended", async () => {
  const starter = createRunStarter(temporal);
  const run = owedRunOf(crypto.randomUUID(), "e");
  const inspect = () => starter.inspect(run.workflow_id);
  expect([await inspect(), await starter.cancel(run.workflow_id)]).toEqual(["missing", false]);
  await starter.start(run);
  expect(await inspect()).toBe("open");
  await temporal.client.workflow.getHandle(run.workflow_id).terminate();
  expect(await inspect()).toBe("terminated");
});

test("a run that is open can be asked to end", async () => {
  const starter = createRunStarter(temporal);
  const run = owedRunOf(crypto.randomUUID(), "e");
  await starter.start(run);
  expect(await starter.cancel(run.workflow_id)).toBe(true);
  await temporal.client.workflow.getHandle(run.workflow_id).terminate();
});

describe("a schedule", () => {
  test("is made as planned", async () => {
    const plan = planOf();
    await scheduler.upsert(plan);
    const { spec, action, policies, state, memo } = await describeSchedule(plan);
    expect(spec.timezone).toBe("Europe/Berlin");
    expect(spec.jitter).toBe(5000);
    expect(spec.calendars).toHaveLength(2); // crontab's OR of the two days
    expect(action).toMatchObject({
      workflowType: RUN_ACTIVITY_WORKFLOW,
      workflowId: `activity-${plan.activity_id}`,
      taskQueue: ORCHESTRATOR_QUEUE,
      args: [plan.activity_id, {}],
    });
    expect(policies.catchupWindow).toBe(10_000);
    expect([state.paused, memo]).toEqual([false, { actcore: true }]);
  });

  test("that is there already becomes equal to the plan, paused and not", async () => {
    const plan = planOf();
    await scheduler.upsert(plan);
    await scheduler.upsert({ ...plan, cron_expressions: ["* * * * *"], timezone: "UTC", jitter_ms: 0, paused: true });
    const paused = await describeSchedule(plan);
    expect(paused.state.paused).toBe(true);
    expect(paused.spec.calendars).toHaveLength(1);
    expect(paused.spec.timezone).toBe("UTC");
    await scheduler.upsert(plan);
    expect((await describeSchedule(plan)).state.paused).toBe(false);
  });

  test("is removed, and what is not there is removed already", async () => {
    const plan = planOf();
    await scheduler.upsert(plan);
    await scheduler.remove(plan.schedule_id);
    expect(await errorOf(describeSchedule(plan))).toBeInstanceOf(ScheduleNotFoundError);
    await scheduler.remove(plan.schedule_id);
  });

  test("of somebody else with the same id is left alone (I6)", async () => {
    const plan = planOf();
    const action = { type: "startWorkflow", workflowType: "Theirs", taskQueue: "theirs" } as const;
    const spec = { intervals: [{ every: "1h" }] };
    await temporal.client.schedule.create({ scheduleId: plan.schedule_id, action, spec } as ScheduleOptions);
    expect(await errorOf(scheduler.upsert(plan))).toMatchObject({ code: "schedule_foreign" });
    expect(await errorOf(scheduler.remove(plan.schedule_id))).toMatchObject({ code: "schedule_foreign" });
    expect((await describeSchedule(plan)).action).toMatchObject({ workflowType: "Theirs" });
  });
});
