/** One round of the finisher over fakes of its ports: a crash at each step, made on demand. */
import { describe, expect, test } from "bun:test";
import { RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createFinisher, type FinisherDeps, type OpenRun, type OwedEvent } from "../../src/occurrence/finisher.ts";
import type { CancelledTask } from "../../src/occurrence/task-control.ts";
import type { AcceptedRun, OwedRun } from "../../src/run/engine.ts";
import type { RunClose } from "../../src/run/run.ts";

const BEFORE = new Date("2026-01-31T09:30:00Z");
/** Made once: making it takes long in a process with a large heap, which the default metrics measure. */
const metrics = createMetrics();

function owedRunOf(activity_id: string, event_id: string): OwedRun {
  const workflow_id = `activity-${activity_id}:${event_id}`;
  return { activity_id, activity_name: activity_id, workflow_id, trigger_event: { event_id } };
}
const owing = (event_id: string, ...activities: string[]): OwedEvent => ({
  row_id: event_id,
  event_id,
  outcome: "received",
  owed: activities.map((activity) => owedRunOf(activity, event_id)),
});
const unclaimedOf = (run_id: string) => ({ run_id, ...owedRunOf("a", run_id) });
const away = new RetryableError("temporal_unavailable", "away");
const openOf = (run_id: string): OpenRun => ({ run_id, activity_id: "a", workflow_id: `workflow-of-${run_id}` });

interface Leftovers {
  owed?: OwedEvent[];
  unclaimed?: AcceptedRun[];
  open?: OpenRun[];
  /** What the engine says of a workflow; `open` when absent. */
  states?: Record<string, string>;
  /** How often the next step of each open workflow was tried, in each round; 1 when absent. */
  attempts?: Record<string, number[]>;
  /** Workflows that the engine lists as failing. */
  failing?: string[];
  /** How their steps fail; undefined: they time out. */
  taskFailure?: string;
  toCancel?: CancelledTask[];
  /** The workflows of which every start fails, and how; as if the engine were away when absent. */
  startFails?: readonly string[];
  failure?: Error;
  /** Runs that their workflow closed while we looked. */
  closedMeanwhile?: string[];
}

/** One round or several, and what they did, in order. */
async function finishRound(
  left: Leftovers,
  signal = new AbortController().signal,
  rounds = 1,
  /** Minutes from one round to the next. */
  minutes = 0,
) {
  let round = 0;
  const did: string[] = [];
  const tried: string[] = [];
  const closes: RunClose[] = [];
  const pages: (string | undefined)[] = [];
  const page = <T extends { run_id: string }>(rows: T[] = [], limit: number, after?: string) => {
    pages.push(after);
    return rows.filter(({ run_id }) => after === undefined || run_id > after).slice(0, limit);
  };
  metrics.finished.reset();
  const deps: Pick<FinisherDeps, "metrics" | "log" | "workflows"> & {
    unfinished: Partial<FinisherDeps["unfinished"]>;
    events: Partial<FinisherDeps["events"]>;
    runs: Partial<FinisherDeps["runs"]>;
  } = {
    unfinished: {
      async listOwedEvents(before, limit, after) {
        expect(before).toEqual(new Date(BEFORE.getTime() + round * minutes * 60_000));
        return (left.owed ?? []).filter(({ row_id }) => after === undefined || row_id > after).slice(0, limit);
      },
      listUnclaimed: async (_, limit, after) => page(left.unclaimed, limit, after),
      listOpenRuns: async (_, limit, after) => page(left.open, limit, after),
      listCancelRequested: async (_, limit, after) =>
        (left.toCancel ?? []).filter(({ task_id }) => after === undefined || task_id > after).slice(0, limit),
      async recordLost({ run_id }, reason) {
        did.push(`lost ${run_id}: ${reason}`);
        return true;
      },
    },
    events: {
      async markDispatched(ids) {
        did.push(`marked ${ids.join()}`);
      },
    },
    runs: {
      async close(close) {
        closes.push(close);
        const closedNow = !left.closedMeanwhile?.includes(close.run_id);
        const activity = { activity_id: "a", activity_name: "a" };
        return { run_id: close.run_id, status: "failed", activity, closedNow };
      },
    },
    workflows: {
      async start({ workflow_id }) {
        tried.push(workflow_id);
        if (left.startFails?.includes(workflow_id)) throw left.failure ?? away;
        did.push(`started ${workflow_id}`);
        return workflow_id;
      },
      async cancelTask({ workflow_id }, taskId) {
        did.push(`cancelled ${taskId} of ${workflow_id}`);
        return left.states?.[workflow_id] !== "missing";
      },
      inspect: async ({ workflow_id }) => ({
        state: left.states?.[workflow_id] ?? "open",
        execution: workflow_id,
        attempt: left.attempts?.[workflow_id]?.[round] ?? 1,
      }),
      listFailing: async () => left.failing ?? [],
      findTaskFailure: async () => left.taskFailure,
      async terminate(workflow_id, _, reason) {
        did.push(`terminated ${workflow_id}: ${reason}`);
        left.states = { ...left.states, [workflow_id]: "terminated" };
      },
    },
    metrics,
    log: createLog("silent"),
  };
  const finish = createFinisher(deps as FinisherDeps);
  let failed: unknown;
  for (; round < rounds; round++) {
    const before = new Date(BEFORE.getTime() + round * minutes * 60_000);
    failed = await finish(before, signal).catch((error: unknown) => error);
  }
  const { values } = await metrics.finished.get();
  const counted = Object.fromEntries(values.map(({ labels, value }) => [labels.what, value]));
  return { did, tried, closes, pages, counted, failed };
}

describe("an event that still owes starts", () => {
  test("has each of them started, and is then marked", async () => {
    const { did, counted } = await finishRound({ owed: [owing("e1", "a", "b"), owing("e2", "a")] });
    expect(did).toEqual([
      "started activity-a:e1",
      "started activity-b:e1",
      "marked e1",
      "started activity-a:e2",
      "marked e2",
    ]);
    expect(counted).toEqual({ event_dispatched: 2 });
  });

  test("is not marked when one of them cannot be started", async () => {
    const { did } = await finishRound({ owed: [owing("e1", "a", "b")], startFails: ["activity-b:e1"] });
    expect(did).toEqual(["started activity-a:e1"]);
  });
});

describe("a row that can never be finished", () => {
  const left = {
    owed: [owing("e1", "a"), owing("e2", "a")],
    unclaimed: [unclaimedOf("r1"), unclaimedOf("r2")],
    open: [openOf("r3")],
    states: { "activity-a:r1": "missing", "activity-a:r2": "missing", "workflow-of-r3": "missing" },
    startFails: ["activity-a:e1", "activity-a:r1"],
  };

  test("holds up no other, when the engine refuses it", async () => {
    const failure = new TerminalError("refused", "no");
    const { did, closes, failed } = await finishRound({ ...left, failure });
    expect(did).toEqual(["started activity-a:e2", "marked e2", "started activity-a:r2"]);
    expect([closes.length, failed]).toEqual([1, undefined]);
  });

  test("holds up its list until the next round, and no other list, when the engine is silent", async () => {
    const one = await finishRound(left);
    expect([one.did, one.closes.length, one.failed]).toEqual([[], 1, undefined]);
    const two = await finishRound(left, undefined, 2);
    expect(two.did).toEqual(["started activity-a:e2", "marked e2", "started activity-a:r2"]);
  });

  test("is tried again after all others", async () => {
    const { tried } = await finishRound(left, undefined, 3);
    expect(tried.filter((id) => id.includes(":e"))).toEqual(["activity-a:e1", "activity-a:e2", "activity-a:e1"]);
  });
});

describe("a run that nobody has claimed", () => {
  test("is left to its workflow", async () => {
    const { did, counted } = await finishRound({ unclaimed: [unclaimedOf("r1")] });
    expect([did, counted]).toEqual([[], {}]);
  });

  test("is started when it has no workflow", async () => {
    const states = { "activity-a:r1": "missing" };
    const { did, counted } = await finishRound({ unclaimed: [unclaimedOf("r1")], states });
    expect([did, counted]).toEqual([["started activity-a:r1"], { run_started: 1 }]);
  });

  test.each(["completed", "terminated", "failed"])("whose workflow is %s is recorded as lost", async (state) => {
    const { did, counted } = await finishRound({
      unclaimed: [unclaimedOf("r1")],
      states: { "activity-a:r1": state },
    });
    expect(did).toEqual([`lost r1: workflow_${state}`]);
    expect(counted).toEqual({ run_lost: 1 });
  });
});

describe("an open run", () => {
  test("is left alone while its workflow is open", async () => {
    expect(await finishRound({ open: [openOf("r1")] })).toMatchObject({ did: [], closes: [], counted: {} });
  });

  test.each(["missing", "terminated", "timed_out", "failed", "completed"])(
    "is closed as failed, naming the reason, when its workflow is %s",
    async (state) => {
      const { closes, counted } = await finishRound({ open: [openOf("r1")], states: { "workflow-of-r1": state } });
      const reason = `workflow_${state}`;
      const message = `its workflow is ${state}, and did not close it`;
      expect(closes).toEqual([{ run_id: "r1", failures: [], interruption: { status: "failed", reason, message } }]);
      expect(counted).toEqual({ run_closed: 1 });
    },
  );

  test("is closed as cancelled when its workflow was", async () => {
    const { closes } = await finishRound({ open: [openOf("r1")], states: { "workflow-of-r1": "canceled" } });
    expect(closes).toEqual([{ run_id: "r1", failures: [], interruption: { status: "cancelled" } }]);
  });

  test("that its workflow closed in the meantime does not count", async () => {
    const states = { "workflow-of-r1": "completed" };
    const { counted } = await finishRound({ open: [openOf("r1")], states, closedMeanwhile: ["r1"] });
    expect(counted).toEqual({});
  });

  test("behind hundreds of others is looked at in a later round, after which the first come again", async () => {
    const open = Array.from({ length: 450 }, (_, n) => openOf(`r${String(n).padStart(4, "0")}`));
    const states = { "workflow-of-r0449": "missing" };
    const { closes, pages } = await finishRound({ open, states }, undefined, 4);
    expect(closes.map(({ run_id }) => run_id)).toEqual(["r0449"]);
    expect(pages.filter((_, index) => index % 2 === 1)).toEqual([undefined, "r0199", "r0399", undefined]);
  });
});

describe("a workflow that cannot go on", () => {
  const attempts = (workflow: string) => ({ [workflow]: [3, 8] });
  const ended = (workflow: string) => `terminated ${workflow}: actcore: it could not go on: no such field`;

  test("is ended, and its run closed, naming what its steps say", async () => {
    const open = [openOf("r1")];
    const left = { open, attempts: attempts("workflow-of-r1"), taskFailure: "no such field" };
    const { did, closes, counted } = await finishRound(left, undefined, 2, 15);
    const message = "its workflow could not go on, and was ended: no such field";
    expect(did).toEqual([ended("workflow-of-r1")]);
    expect(closes).toMatchObject([{ interruption: { status: "failed", reason: "workflow_stuck", message } }]);
    expect(counted).toEqual({ run_closed: 1 });
  });

  test("before it has claimed its run is ended, and the run recorded as lost", async () => {
    const unclaimed = [unclaimedOf("r1")];
    const left = { unclaimed, attempts: attempts("activity-a:r1"), taskFailure: "no such field" };
    const { did } = await finishRound(left, undefined, 2, 15);
    expect(did).toEqual([ended("activity-a:r1"), "lost r1: workflow_stuck"]);
  });

  test("and that no run of the ledger has is ended, where the engine lists it", async () => {
    const left = { failing: ["theirs"], attempts: attempts("theirs"), taskFailure: "no such field" };
    const { did, counted } = await finishRound(left, undefined, 2, 15);
    expect([did, counted]).toEqual([[ended("theirs")], { workflow_ended: 1 }]);
  });

  test("is left alone while its steps time out", async () => {
    const left = { open: [openOf("r1")], attempts: attempts("workflow-of-r1") };
    expect(await finishRound(left, undefined, 2, 15)).toMatchObject({ did: [], closes: [] });
  });
});

describe("a workflow that is not the run's, under the run's id,", () => {
  test("does not keep a run that nobody has claimed from its start", async () => {
    const states = { "activity-a:r1": "foreign" };
    const { did, counted } = await finishRound({ unclaimed: [unclaimedOf("r1")], states });
    expect([did, counted]).toEqual([["started activity-a:r1"], { run_started: 1 }]);
  });

  test("does not keep a run open whose own workflow is gone", async () => {
    const { closes } = await finishRound({ open: [openOf("r1")], states: { "workflow-of-r1": "foreign" } });
    const message = "its workflow is gone, and another has its id";
    expect(closes).toMatchObject([{ interruption: { status: "failed", reason: "workflow_replaced", message } }]);
  });
});

test("a round that is stopped looks at nothing more", async () => {
  const { did, closes } = await finishRound(
    { unclaimed: [unclaimedOf("r1")], open: [openOf("r1")], states: { "workflow-of-r1": "missing" } },
    AbortSignal.abort(),
  );
  expect([did, closes]).toEqual([[], []]);
});

describe("a task that is to be cancelled", () => {
  const task = (task_id: string, workflow_id: string) => ({ task_id, workflow_id, activity_id: "a" });

  test("has its workflow told again; where that is gone, the close of the run ends it", async () => {
    const toCancel = [task("t1", "w1"), task("t2", "gone")];
    const { did, counted } = await finishRound({ toCancel, states: { gone: "missing" } });
    expect(did).toEqual(["cancelled t1 of w1", "cancelled t2 of gone"]);
    expect(counted).toEqual({ task_cancel_told: 1 });
  });
});
