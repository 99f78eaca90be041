/**
 * Finishes what a crash left half done (docs/ledger.md): events that still owe starts, accepted runs that were never
 * started, runs whose workflow is gone.
 *
 * One process at a time does it, and only for rows older than a minute, so that it never races with the normal way.
 * Each step is the normal way's own, and as safe to repeat.
 */
import { describeError } from "../errors.ts";
import { sleep } from "../lifecycle.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { RunLedger } from "../run/ledger.ts";
import type { RunStarter } from "./dispatcher.ts";
import type { Dispatch, EventLedger, RecordedEvent } from "./ledger.ts";

export interface OpenRun {
  run_id: string;
  workflow_id: string;
}

/** postgres/unfinished.ts is behind it. Lists are oldest first, of rows made before `before`, after the row `after`. */
export interface UnfinishedLedger {
  listOwedEvents(before: Date, limit: number): Promise<RecordedEvent[]>;
  listUnclaimed(before: Date, limit: number, after?: string): Promise<(Dispatch & { run_id: string })[]>;
  listOpenRuns(before: Date, limit: number, after?: string): Promise<OpenRun[]>;
  /** Opens and closes the run of an occurrence that nobody will claim any more; false when somebody has claimed it. */
  recordLost(run: Dispatch & { run_id: string }, reason: string): Promise<boolean>;
  /** Runs `body` when no other process holds the lock; answers whether it ran. */
  exclusively(body: () => Promise<void>): Promise<boolean>;
}

/** temporal/run-starter.ts is behind it. */
export interface RunInspector {
  /** `open`, `missing`, or how the workflow closed: `completed`, `failed`, `terminated`, `timed_out`, … */
  inspect(workflowId: string): Promise<string>;
}

export interface FinisherDeps {
  unfinished: UnfinishedLedger;
  events: EventLedger;
  runs: RunLedger;
  workflows: RunStarter & RunInspector;
  metrics: Metrics;
  log: Log;
}

const EVERY_MS = 15_000;
const SETTLED_AFTER_MS = 60_000;
const BATCH = 200;

/** Until `signal` aborts; never rejects. */
export async function runFinisher(deps: FinisherDeps, signal: AbortSignal): Promise<void> {
  while (!(await sleep(EVERY_MS, signal))) {
    try {
      await deps.unfinished.exclusively(() => finish(deps, new Date(Date.now() - SETTLED_AFTER_MS), signal));
    } catch (error) {
      deps.log.warn({ reason: describeError(error) }, "unfinished work not looked at");
    }
  }
}

/** One round: everything that was recorded before `before` and is not finished. */
export async function finish(deps: FinisherDeps, before: Date, signal: AbortSignal): Promise<void> {
  const { unfinished, events, runs, workflows, metrics, log } = deps;

  for (const event of await unfinished.listOwedEvents(before, BATCH)) {
    if (signal.aborted) return;
    for (const dispatch of event.dispatches) await workflows.start(dispatch);
    await events.markDispatched([event.event_id]);
    finished("event_dispatched", { event: event.event_id });
  }

  await eachPage(
    (after) => unfinished.listUnclaimed(before, BATCH, after),
    async (run) => {
      await workflows.start(run); // started already is a success
      const state = await workflows.inspect(run.workflow_id);
      if (state === "open") return;
      // Claimed since it was listed, it is not lost: in a backlog most are.
      const lost = await unfinished.recordLost(run, `workflow_${state}`);
      if (lost) finished("run_lost", { run: run.run_id, state });
    },
  );

  await eachPage(
    (after) => unfinished.listOpenRuns(before, BATCH, after),
    async ({ run_id, workflow_id }) => {
      const state = await workflows.inspect(workflow_id);
      if (state === "open") return;
      const interruption =
        state === "canceled"
          ? ({ status: "cancelled" } as const)
          : ({
              status: "failed",
              reason: `workflow_${state}`,
              message: `its workflow is ${state}, and did not close it`,
            } as const);
      const { closedNow } = await runs.close({ run_id, failures: [], interruption });
      if (closedNow) finished("run_closed", { run: run_id, state });
    },
  );

  async function eachPage<T extends { run_id: string }>(
    list: (after?: string) => Promise<T[]>,
    body: (row: T) => Promise<void>,
  ) {
    let page: T[] = [];
    do {
      page = await list(page.at(-1)?.run_id);
      for (const row of page) {
        if (signal.aborted) return;
        await body(row);
      }
    } while (page.length === BATCH);
  }

  function finished(what: string, details: object): void {
    metrics.finished.inc({ what });
    log.warn({ what, ...details }, "finished what was left half done");
  }
}
