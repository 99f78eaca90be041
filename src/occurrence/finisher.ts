/**
 * Finishes what a crash left half done (docs/ledger.md): events that still owe starts, accepted runs that were never
 * started, runs whose workflow is gone or cannot go on, tasks that are to be cancelled.
 *
 * One process at a time does it, and only for rows older than a minute, so that it never races with the normal way.
 * Each step is the normal way's own, and as safe to repeat.
 */

import type { EventLedger, RecordedEvent } from "../event/event-ledger.ts";
import type { Chore } from "../kernel/chore.ts";
import { describeError, RetryableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AcceptedRun, RunCanceller, RunInspector, RunStarter, RunWorkflow } from "../run/engine.ts";
import type { RunLedger } from "../run/ledger.ts";
import { createStuckEnder } from "./stuck-workflow.ts";
import type { CancelledTask } from "./task-control.ts";

/** `row_id` is its place in the list. */
export interface OwedEvent extends Omit<RecordedEvent, "isNew" | "content"> {
  row_id: string;
}

export interface OpenRun extends RunWorkflow {
  run_id: string;
}

/** postgres/occurrence/unfinished-ledger.ts is behind it. Lists are oldest first, of rows made before `before`, after the row `after`. */
export interface UnfinishedLedger {
  listOwedEvents(before: Date, limit: number, after?: string): Promise<OwedEvent[]>;
  listUnclaimed(before: Date, limit: number, after?: string): Promise<AcceptedRun[]>;
  listOpenRuns(before: Date, limit: number, after?: string): Promise<OpenRun[]>;
  /** Open tasks whose cancellation was asked for before `before`, in claimed runs that go on. */
  listCancelRequested(before: Date, limit: number, after?: string): Promise<CancelledTask[]>;
  /** Opens and closes the run of an occurrence that nobody will claim any more; false when somebody has claimed it. */
  recordLost(run: AcceptedRun, reason: string): Promise<boolean>;
}

export interface FinisherDeps {
  unfinished: UnfinishedLedger;
  events: EventLedger;
  runs: RunLedger;
  workflows: RunStarter & RunInspector & Pick<RunCanceller, "cancelTask">;
  metrics: Metrics;
  log: Log;
}

const EVERY_MS = 15_000;
const SETTLED_AFTER_MS = 60_000;
const BATCH = 200;

/** The chore. It runs in one process at a time. */
export function createFinisherChore(deps: FinisherDeps): Chore {
  const finish = createFinisher(deps);
  return {
    name: "finisher",
    everyMs: EVERY_MS,
    firstAfterMs: EVERY_MS,
    failed: "unfinished work not looked at",
    round: (signal) => finish(new Date(Date.now() - SETTLED_AFTER_MS), signal),
  };
}

/**
 * A round looks at one page of each list that was recorded before `before`, and the next one goes on where it stopped:
 * in a backlog most rows only wait for their turn, and asking about all of them would slow the engine down further.
 *
 * A row that cannot be finished holds up no other: the page goes on behind it. Where the engine may be away, it goes on
 * in the next round, so that a round waits for the engine's silence once for each list.
 */
export function createFinisher({ unfinished, events, runs, workflows, metrics, log }: FinisherDeps) {
  const stuck = createStuckEnder(workflows);
  const pages = [
    createPages(unfinished.listOwedEvents, ({ row_id }) => row_id, finishEvent),
    createPages(unfinished.listUnclaimed, ({ run_id }) => run_id, finishUnclaimed),
    createPages(unfinished.listOpenRuns, ({ run_id }) => run_id, finishOpen),
    createPages(unfinished.listCancelRequested, ({ task_id }) => task_id, finishCancel),
  ];

  return async function finish(before: Date, signal: AbortSignal): Promise<void> {
    for (const finishPage of pages) await finishPage(before, signal);
    await endStrays(before, signal);
  };

  /** Ends workflows that are stuck before their claim: somebody started them with what no step can read, and they have no run. */
  async function endStrays(now: Date, signal: AbortSignal): Promise<void> {
    for (const workflow_id of await workflows.listFailing()) {
      if (signal.aborted) return;
      const view = await workflows.inspect({ workflow_id, activity_id: "" });
      if ((await stuck.endIfStuck(workflow_id, view, now)) !== undefined) finished("workflow_ended", { workflow_id });
    }
  }

  /** Finishes the next page of a list at each call; after the last one it begins anew. */
  function createPages<Row>(
    list: (before: Date, limit: number, after?: string) => Promise<Row[]>,
    idOf: (row: Row) => string,
    finishRow: (row: Row, now: Date) => Promise<void>,
  ) {
    let after: string | undefined;
    return async (before: Date, signal: AbortSignal): Promise<void> => {
      const rows = await list(before, BATCH, after);
      for (const row of rows) {
        if (signal.aborted) return;
        after = idOf(row);
        try {
          await finishRow(row, before);
        } catch (error) {
          log.warn({ row: after, reason: describeError(error) }, "not finished; other rows come first");
          if (error instanceof RetryableError) return;
        }
      }
      if (rows.length < BATCH) after = undefined;
    };
  }

  async function finishEvent({ event_id, owed }: OwedEvent): Promise<void> {
    for (const run of owed) await workflows.start(run);
    await events.markDispatched([event_id]);
    finished("event_dispatched", { event_id });
  }

  async function finishUnclaimed(run: AcceptedRun, now: Date): Promise<void> {
    const view = await workflows.inspect(run);
    let { state } = view;
    if (state === "open") {
      if ((await stuck.endIfStuck(run.workflow_id, view, now)) === undefined) return;
      state = "stuck";
    }
    if (state === "missing" || state === "foreign") {
      await workflows.start(run);
      finished("run_started", { run_id: run.run_id });
      return;
    }
    // A run that was claimed since it was listed is not lost. In a backlog most of them are.
    if (await unfinished.recordLost(run, `workflow_${state}`)) finished("run_lost", { run_id: run.run_id, state });
  }

  async function finishOpen(run: OpenRun, now: Date): Promise<void> {
    const { run_id, workflow_id } = run;
    const view = await workflows.inspect(run);
    let { state } = view;
    let message = `its workflow is ${state}, and did not close it`;
    if (state === "open") {
      const failure = await stuck.endIfStuck(workflow_id, view, now);
      if (failure === undefined) return;
      state = "stuck";
      message = `its workflow could not go on, and was ended: ${failure}`;
    } else if (state === "foreign") {
      state = "replaced";
      message = "its workflow is gone, and another has its id";
    }
    const interruption =
      state === "canceled"
        ? ({ status: "cancelled" } as const)
        : ({ status: "failed", reason: `workflow_${state}`, message } as const);
    const { closedNow } = await runs.close({ run_id, failures: [], interruption });
    if (closedNow) finished("run_closed", { run_id, state });
  }

  async function finishCancel(task: CancelledTask): Promise<void> {
    const { task_id } = task;
    if (await workflows.cancelTask(task, task_id)) finished("task_cancel_told", { task_id });
  }

  function finished(what: string, details: object): void {
    metrics.finished.inc({ what });
    log.warn({ what, ...details }, "finished what was left half done");
  }
}
