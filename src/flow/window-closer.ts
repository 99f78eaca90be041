/**
 * The chore that closes windows when their time has come, or when they are full, and starts their runs. Each process with the role
 * does it: a window that one of them is closing is passed over by the others.
 */
import type { Chore } from "../kernel/chore.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { createBackoff } from "../kernel/wait.ts";
import { createStartRuns } from "../occurrence/start-runs.ts";
import type { RunStarter } from "../run/engine.ts";
import { type ClosedWindow, decideClosing, type WindowLedger } from "./window.ts";

export interface WindowCloserDeps {
  windows: WindowLedger;
  starter: RunStarter;
  metrics: Pick<Metrics, "windows">;
  log: Log;
}

/** A notification may be lost. */
const POLL_MS = 10_000;
/** Others may be closing what is due. */
const LEAST_WAIT_MS = 20;

export function createWindowChore({ windows, starter, metrics, log }: WindowCloserDeps): Chore {
  const startRuns = createStartRuns(starter, log);
  return {
    name: "windows",
    everyMs: POLL_MS,
    backoff: createBackoff(500, 10_000),
    listen: (wake) => windows.onChange(wake),
    failed: "windows of events are not closed; they are kept until they are",
    recovered: "windows of events are closed again",
    async round(signal) {
      while (!signal.aborted) {
        const closed = await windows.closeDue(decideClosing);
        if (closed.length === 0) break;
        tell(closed);
        await begin(closed);
      }
      const nextMs = await windows.findNextMs();
      return nextMs === undefined ? POLL_MS : Math.min(POLL_MS, Math.max(LEAST_WAIT_MS, nextMs));
    },
  };

  /** Starts the runs that are owed. Where the engine is away the finisher does it. Those that are queued are begun by their gates. */
  async function begin(closed: readonly ClosedWindow[]): Promise<void> {
    const owed = closed.flatMap(({ closing, run }) => (closing.status === "running" && run ? [run] : []));
    await startRuns(owed);
  }

  function tell(closed: readonly ClosedWindow[]): void {
    for (const { window_id, activity_id, activity_name, events, closing, run } of closed) {
      const { status } = closing;
      metrics.windows.inc({ outcome: status === "none" ? closing.outcome : status });
      const about = { window_id, activity_id, activity_name, events };
      if (status === "none") log.warn({ ...about, reason: closing.reason }, "a window made no run of its events");
      else log.debug({ ...about, run_id: run?.run_id, status }, "a window made a run of its events");
    }
  }
}
