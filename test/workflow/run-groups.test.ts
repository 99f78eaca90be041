/** Runs whose tasks depend on each other, are many, or have a context and a timeout: through a real Temporal, with planned steps. */
import { describe, expect, test } from "bun:test";
import { Context } from "@temporalio/activity";
import type { WorkflowFailedError } from "@temporalio/client";
import { toFailure } from "../../src/activities/translate.ts";
import { TerminalError } from "../../src/kernel/errors.ts";
import { DECIDING_MS, type RunProgress, type TaskFailure, type TaskGroup } from "../../src/run/run.ts";
import { eventually } from "../support/engines.ts";
import { groupOf, refusal, usePlannedWorkers } from "../support/workflow.ts";

const workers = usePlannedWorkers();

const { run } = workers;

const RULES = { max_parallel: 50 };
const names = (count: number) => Array.from({ length: count }, (_, n) => `t${n}`);

/** Answers the groups of each round, one after the other, and what each was told. */
function inRounds(...rounds: ((runId: string) => TaskGroup[])[]) {
  const told: TaskFailure[][] = [];
  return {
    told,
    async decide(runId: string, failures: TaskFailure[]): Promise<RunProgress> {
      told.push(failures);
      return { groups: rounds[told.length - 1]?.(runId) ?? [] };
    },
  };
}

/** Counts how many tasks are done at once: each waits until `awaited` of them were, and then for more that should not come. */
function countTogether(awaited: number) {
  const seen = { now: 0, most: 0 };
  const execute = async () => {
    seen.most = Math.max(seen.most, ++seen.now);
    await eventually(`${awaited} tasks at once`, () => seen.most >= awaited, 5_000);
    await Bun.sleep(20);
    seen.now--;
  };
  return { seen, execute };
}

describe("a run with groups of tasks", () => {
  test("decides on when a group is over that others depend on, and does what that releases", async () => {
    const { decide, told } = inRounds(
      (id) => [groupOf(id, "a", ["a"], { leads_on: true })],
      (id) => [groupOf(id, "b", ["b"])],
    );
    const { calls, result } = await run("two-waves", { claim: { rules: RULES } as object, decide });
    expect(result).toMatchObject({ status: "succeeded" });
    expect(calls).toMatchObject({ decisions: 2, executed: ["a", "b"], closes: [{ failures: [] }] });
    expect(told).toEqual([[], []]);
  });

  test("tells the round after it of tasks that failed, and the close of the others", async () => {
    const { decide, told } = inRounds(
      (id) => [groupOf(id, "a", ["a", "a2"], { leads_on: true })],
      (id) => [groupOf(id, "b", ["b"])],
    );
    const execute = (id: string) => (id.endsWith("a2") ? Promise.resolve() : Promise.reject(refusal("no")));
    const { calls } = await run("failed-waves", { claim: { rules: RULES } as object, decide, execute });
    expect(told[1]).toMatchObject([{ task_id: expect.stringMatching(/\/a$/), message: "no" }]);
    expect(calls.closes[0]?.failures).toMatchObject([{ task_id: expect.stringMatching(/\/b$/) }]);
  });

  test("begins a group once, although a later round names it again while it is open", async () => {
    const slow = Promise.withResolvers<void>();
    const { decide } = inRounds(
      (id) => [groupOf(id, "fast", ["fast"], { leads_on: true }), groupOf(id, "slow", ["slow"])],
      (id) => [groupOf(id, "slow", ["slow"]), groupOf(id, "next", ["next"])],
    );
    const execute = async (id: string) => {
      if (id.endsWith("slow")) await slow.promise;
      if (id.endsWith("next")) slow.resolve();
    };
    const { calls } = await run("branches", { claim: { rules: RULES } as object, decide, execute });
    expect(calls.executed.sort()).toEqual(["fast", "next", "slow"]);
  });

  test("does at most max_parallel tasks of the run at once", async () => {
    const { seen, execute } = countTogether(3);
    const { decide } = inRounds((id) => [groupOf(id, "a", names(10)), groupOf(id, "b", names(10))]);
    const { calls } = await run("parallel", { claim: { rules: { max_parallel: 3 } } as object, decide, execute });
    expect(calls.executed).toHaveLength(20);
    expect(seen.most).toBe(3);
  });

  test("does at most max_parallel tasks of a group at once", async () => {
    const { seen, execute } = countTogether(1);
    const { decide } = inRounds((id) => [groupOf(id, "a", names(6), { max_parallel: 1 })]);
    await run("one-by-one", { claim: { rules: RULES } as object, decide, execute });
    expect(seen.most).toBe(1);
  });

  test("gives a round more time than its expressions may take, so that one that takes too long is not begun anew", async () => {
    let givenMs = 0;
    const decide = async () => {
      givenMs = Context.current().info.startToCloseTimeoutMs;
      return { groups: [] };
    };
    await run("slow-round", { claim: { rules: RULES } as object, decide });
    expect(givenMs).toBeGreaterThan(2 * DECIDING_MS);
  });

  test("that cannot be decided fails with the place that the step names, though its cause names none", async () => {
    const cause = new Error("1500 items are too many");
    const error = new TerminalError("too_many_items", `/for_each: ${cause.message}`, { cause, hint: "Take fewer" });
    const decide = () => Promise.reject(toFailure(error));
    const { calls } = await run("undecided", {
      claim: { rules: RULES } as object,
      decide,
      result: { status: "failed" },
    });
    const message = "/for_each: 1500 items are too many. Take fewer";
    expect(calls.closes).toMatchObject([{ interruption: { reason: "too_many_items", message } }]);
  });

  test("that was skipped on the way closes nothing more", async () => {
    const decide = async (run_id: string) => ({ closed: { run_id, status: "skipped" as const, reason: "condition" } });
    const { calls, result } = await run("skipped-by-condition", { claim: { rules: RULES } as object, decide });
    expect(result).toMatchObject({ status: "skipped", reason: "condition" });
    expect(calls.closes).toEqual([]);
  });
});

describe("a run with a context", () => {
  const claim = { rules: { ...RULES, context_ms: 10_000 } } as object;

  test("resolves it before it decides", async () => {
    const order: string[] = [];
    const resolve = async () => void order.push("context");
    const decide = async () => {
      order.push("decide");
      return { groups: [] };
    };
    await run("context", { claim, resolve, decide });
    expect(order).toEqual(["context", "decide"]);
  });

  test("that cannot be resolved fails with the code and message of the step, and decides nothing", async () => {
    const resolve = () => Promise.reject(refusal("context source account: answered 500"));
    const decide = async () => ({ groups: [] });
    const { calls } = await run("failed-context", { claim, resolve, decide, result: { status: "failed" } });
    expect(calls.decisions).toBe(0);
    expect(calls.closes).toMatchObject([
      { interruption: { status: "failed", reason: "refused", message: "context source account: answered 500" } },
    ]);
  });
});

describe("a run with a timeout", () => {
  const claim = { rules: { ...RULES, timeout_ms: 300 } } as object;

  test("fails when its tasks are not over by then, and says so", async () => {
    const { decide } = inRounds((id) => [groupOf(id, "a", ["a"])]);
    const execute = () => Bun.sleep(1_500);
    const { calls, result } = await run("timed-out", {
      claim,
      decide,
      execute,
      result: { status: "failed", reason: "run_timeout" },
    });
    expect(calls.closes).toMatchObject([{ interruption: { status: "failed", reason: "run_timeout" } }]);
    expect((result as WorkflowFailedError).cause).toMatchObject({ type: "RunFailed", message: "run_timeout" });
  });

  test("leaves no timer behind when it is over in time", async () => {
    const { decide } = inRounds((id) => [groupOf(id, "a", ["a"])]);
    const { result } = await run("in-time", { claim: { rules: { ...RULES, timeout_ms: 60_000 } } as object, decide });
    expect(result).toMatchObject({ status: "succeeded" });
  });
});
