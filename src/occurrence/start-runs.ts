/** Starts runs that the ledger has recorded. */
import pLimit from "p-limit";
import type { Log } from "../kernel/log.ts";
import { orLater } from "../kernel/wait.ts";
import type { OwedRun, RunStarter } from "../run/engine.ts";

const CONCURRENT_STARTS = 16;

/** Answers whether all of them are started; the finisher starts the others when the engine answers again. */
export type StartRuns = (runs: readonly OwedRun[]) => Promise<boolean>;

export function createStartRuns(starter: RunStarter, log: Log): StartRuns {
  return async (runs) => {
    const started = await pLimit(CONCURRENT_STARTS).map(runs, (run) =>
      orLater(
        () => starter.start(run),
        (reason) => log.warn({ workflow_id: run.workflow_id, reason }, "run not started yet; the finisher will"),
      ),
    );
    return !started.includes(undefined);
  };
}
