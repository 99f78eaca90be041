/**
 * RunActivityWorkflow, through a real Temporal, with planned steps.
 *
 * ACTCORE_RECORD_HISTORIES=1 records the history of each run with a name here into histories/, for replay.test.ts:
 * do so when the workflow learns a new way, under a new name. What was recorded by a release is never recorded anew.
 */
import { describe, expect, test } from "bun:test";
import { WorkflowFailedError, type WorkflowHandle } from "@temporalio/client";
import { parseJson } from "../../src/json/parse.ts";
import type { StartArgument } from "../../src/run/run.ts";
import { searchAttributesOf } from "../../src/temporal/search-attributes.ts";
import { eventually } from "../support/engines.ts";
import { groupOf, recordHistory, refusal, stepOf, usePlannedWorkers } from "../support/workflow.ts";

const workers = usePlannedWorkers();

const { run } = workers;

async function countEvents({ handle }: { handle: WorkflowHandle }, field: string): Promise<number> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).filter((event) => event[field as keyof typeof event]).length;
}

describe("a run", () => {
  test("claims with the names by which the engine knows it, does the task decided on with it, and closes", async () => {
    const { result, calls, activityId, handle } = await run("decided-with-claim", { tasks: ["a"] });
    expect(result).toEqual({ run_id: `run-${activityId}`, status: "succeeded" });
    expect(calls).toEqual({
      claims: [
        {
          activity_id: activityId,
          trigger_event: { event_id: "e" },
          workflow_id: handle.workflowId,
          first_execution_run_id: (handle as { firstExecutionRunId?: string }).firstExecutionRunId as string,
        },
      ],
      decisions: 0,
      executed: ["a"],
      called: [],
      looks: 0,
      failed: [],
      closes: [{ run_id: `run-${activityId}`, failures: [], reopened: 0 }],
    });
  });

  test("hands on what a client started it with to the last digit of its numbers", async () => {
    const payload = '{"id":9007199254740993,"big":[1e+400],"n":1}';
    const { calls } = await run("exact-numbers", { triggerEvent: parseJson(payload) as StartArgument });
    expect(calls.claims).toMatchObject([{ trigger_event: {}, trigger_event_json: payload }]);
  });

  test("of one task costs two workflow tasks and one activity", async () => {
    const ended = await run("decided-with-claim", { tasks: ["a"] });
    expect(await countEvents(ended, "workflowTaskCompletedEventAttributes")).toBe(2);
    expect(await countEvents(ended, "activityTaskScheduledEventAttributes")).toBe(1);
  });

  test("that could not be decided with its claim decides in a step of its own", async () => {
    const { calls } = await run("one-task", { decide: async (id) => ({ groups: [groupOf(id, "a", ["a"])] }) });
    expect([calls.decisions, calls.closes.length]).toEqual([1, 1]);
  });

  test("does its tasks side by side", async () => {
    let waiting = 0;
    const together = Promise.withResolvers<void>();
    const execute = () => {
      if (++waiting === 3) together.resolve();
      return together.promise;
    };
    const { result, calls } = await run("three-tasks", { tasks: ["a", "b", "c"], execute });
    expect(result).toMatchObject({ status: "succeeded" });
    expect(calls.executed.sort()).toEqual(["a", "b", "c"]);
  });

  test("without tasks closes at once", async () => {
    const ended = await run("no-tasks", {});
    expect(ended.calls.closes).toHaveLength(1);
    expect(await countEvents(ended, "workflowTaskCompletedEventAttributes")).toBe(1);
  });
});

describe("a run whose quick tasks were done with its claim", () => {
  const closed = (activityId: string, result: object) => ({ closed: { run_id: `run-${activityId}`, ...result } });

  test("ends in one workflow task, with nothing to execute or close", async () => {
    const ended = await run("closed-with-claim", {
      claim: closed("quick", { status: "succeeded" }) as object,
    });
    expect(ended.result).toEqual({ run_id: "run-quick", status: "succeeded" });
    expect(ended.calls).toMatchObject({ decisions: 0, executed: [], closes: [] });
    expect(await countEvents(ended, "workflowTaskCompletedEventAttributes")).toBe(1);
    expect(await countEvents(ended, "markerRecordedEventAttributes")).toBe(1);
  });

  test("fails its workflow when it failed", async () => {
    const claim = closed("quick", { status: "failed", reason: "task_failed" }) as object;
    const { result } = await run("failed-with-claim", { claim });
    expect((result as WorkflowFailedError).cause).toMatchObject({ type: "RunFailed", message: "task_failed" });
  });

  test("waits before the next try of a task that failed for now, and then goes on as any other", async () => {
    const ended = await run("handed-on-after-a-try", { tasks: ["a"], delay: 200, attempts: 4 });
    expect(ended.calls).toMatchObject({ executed: ["a"], closes: [{ failures: [] }] });
    expect(await countEvents(ended, "timerFiredEventAttributes")).toBe(1);
  });

  test("waits for no task that there was no place to try", async () => {
    const claim = (id: string) => ({ ...stepOf(`run-${id}/a`), delay_ms: 100 });
    const started = await workers.start({ steps: (id) => [claim(id), stepOf(`run-${id}/b`)] });
    await started.handle.result();
    await recordHistory("no-place-and-handed-on", started.handle);
    expect(started.calls.executed).toEqual(["b", "a"]);
    expect(await countEvents(started, "timerFiredEventAttributes")).toBe(1);
  });

  test("is cancelled before its next try", async () => {
    const started = await workers.start({ tasks: ["a"], delay: 600_000 });
    await eventually("it waits", async () => (await countEvents(started, "timerStartedEventAttributes")) === 1);
    await started.handle.cancel();
    const error = await started.handle.result().catch((error: unknown) => error);
    expect((error as WorkflowFailedError).cause).toMatchObject({ name: "CancelledFailure" });
    await recordHistory("cancelled-before-next-try", started.handle);
    expect(started.calls).toMatchObject({ executed: [], closes: [{ interruption: { status: "cancelled" } }] });
  });

  test("that is cancelled meanwhile is cancelled if anything is left to do, and else ends as it did", async () => {
    for (const [name, plan] of [
      ["cancelled-while-trying", { tasks: ["a"], delay: 1 }],
      ["closed-while-cancelled", { claim: closed("quick", { status: "succeeded" }) as object }],
    ] as const) {
      const released = Promise.withResolvers<void>();
      const started = await workers.start({
        ...plan,
        tasks: [...("tasks" in plan ? plan.tasks : [])],
        claiming: () => released.promise,
      });
      await eventually("it is at work", () => started.calls.claims.length === 1);
      await started.handle.cancel();
      released.resolve();
      const result = await started.handle.result().catch((error: unknown) => error);
      await recordHistory(name, started.handle);
      if (name === "closed-while-cancelled") expect(result).toMatchObject({ status: "succeeded" });
      else expect((result as WorkflowFailedError).cause).toMatchObject({ name: "CancelledFailure" });
      expect(started.calls.executed).toEqual([]);
    }
  });
});

describe("a claim that is", () => {
  test("a duplicate ends the workflow well, with nothing decided and nothing closed", async () => {
    const { result, calls } = await run("duplicate", { claim: { outcome: "duplicate", run_id: "the-first" } });
    expect(result).toEqual({ run_id: "the-first", status: "duplicate" });
    expect(calls.closes).toEqual([]);
  });

  test("skipped ends the workflow well, with the reason", async () => {
    const { result, calls } = await run("skipped", { claim: { outcome: "skipped", reason: "disabled" } as object });
    expect(result).toMatchObject({ status: "skipped", reason: "disabled" });
    expect(calls.closes).toEqual([]);
  });

  test("queued ends the workflow well: the run has another one when it begins", async () => {
    const { result, calls } = await run("queued", { claim: { outcome: "queued" } as object });
    expect(result).toMatchObject({ status: "queued" });
    expect(calls).toMatchObject({ executed: [], closes: [] });
  });
});

describe("a run fails, after it was closed,", () => {
  test("when a task does, whose message goes with it, and the other tasks are done", async () => {
    const execute = async (id: string) => {
      if (id.endsWith("/a")) throw refusal("no such user");
    };
    const failed = { status: "failed", reason: "task_failed" } as const;
    const ended = await run("failed-task", { tasks: ["a", "b"], execute, result: failed });
    expect(ended.result).toBeInstanceOf(WorkflowFailedError);
    expect((ended.result as WorkflowFailedError).cause).toMatchObject({ type: "RunFailed", message: "task_failed" });
    const run_id = `run-${ended.activityId}`;
    expect(ended.calls.closes).toEqual([
      { run_id, failures: [{ task_id: `${run_id}/a`, message: "no such user" }], reopened: 0 },
    ]);
    expect(ended.calls.executed.sort()).toEqual(["a", "b"]);
  });

  test("when it cannot decide", async () => {
    const decide = () => Promise.reject(refusal("no such run"));
    const ended = await run("failed-decision", { decide, result: { status: "failed" } });
    expect(ended.result).toBeInstanceOf(WorkflowFailedError);
    expect(ended.calls.closes).toMatchObject([{ interruption: { status: "failed", message: "no such run" } }]);
  });
});

test("a task is tried as often as its policy says", async () => {
  let tries = 0;
  const execute = async () => {
    if (++tries < 2) throw new Error("away");
  };
  const { result, calls } = await run("retried-task", { tasks: ["a"], attempts: 2, execute });
  expect(result).toMatchObject({ status: "succeeded" });
  expect([tries, calls.closes[0]?.failures]).toEqual([2, []]);
});

test("a cancelled workflow closes its run as cancelled, and then is cancelled", async () => {
  const released = Promise.withResolvers<void>();
  const { handle, calls, activityId } = await workers.start({ tasks: ["a"], execute: () => released.promise });
  try {
    await eventually("the task is at work", () => calls.executed.length === 1);
    await handle.cancel();
    const error = await handle.result().catch((error: unknown) => error);
    expect((error as WorkflowFailedError).cause).toMatchObject({ name: "CancelledFailure" });
    // The finisher looks for this word.
    const { state } = await workers.inspector.inspect({ workflow_id: handle.workflowId, activity_id: activityId });
    expect(state).toBe("canceled");
    expect(calls.closes).toEqual([
      { run_id: `run-${activityId}`, failures: [], reopened: 0, interruption: { status: "cancelled" } },
    ]);
    await recordHistory("cancelled", handle);
  } finally {
    released.resolve();
  }
});

describe("the search attributes", () => {
  test("are given to a foreign start", async () => {
    const { handle, activityId } = await workers.start({});
    await handle.result();
    const { typedSearchAttributes } = await handle.describe();
    const found = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    expect(found).toMatchObject({ ActivityId: activityId, ActivityName: "planned" });
  });

  test("are left as they are where the start brought them", async () => {
    const { handle } = await workers.start({}, (activityId) => searchAttributesOf(activityId, "brought"));
    await handle.result();
    expect(await countEvents({ handle }, "upsertWorkflowSearchAttributesEventAttributes")).toBe(0);
    const { typedSearchAttributes } = await handle.describe();
    expect(typedSearchAttributes.getAll().map(({ value }) => value)).toContain("brought");
  });
});
