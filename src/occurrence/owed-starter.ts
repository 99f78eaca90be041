/**
 * Starts runs that are owed, also where a workflow that is not the run's has its id: somebody with a Temporal client started
 * it. The engine refuses a second workflow of that id, open or closed, so the run is given another one. That is recorded
 * before it is started (I8), and the claim still decides that the occurrence runs once (I1).
 */
import { describeError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { OwedRun, RunStarter } from "../run/engine.ts";

/** postgres/occurrence/workflow-id-ledger.ts is behind it. */
export interface WorkflowIdLedger {
  /**
   * The run under another workflow id than the one that is taken; everybody who asks gets the same one. Undefined when a
   * workflow has claimed the run by now.
   */
  replaceWorkflowId(run: OwedRun): Promise<OwedRun | undefined>;
}

export function createOwedStarter(engine: RunStarter, ledger: WorkflowIdLedger, log: Log): RunStarter {
  return {
    async start(run) {
      try {
        return await engine.start(run);
      } catch (error) {
        if (!(error instanceof TerminalError) || error.code !== "workflow_id_taken") throw error;
        const replaced = await ledger.replaceWorkflowId(run);
        if (replaced === undefined) return run.workflow_id;
        const { activity_id, workflow_id } = replaced;
        log.warn({ activity_id, workflow_id, reason: describeError(error) }, "run started under another workflow id");
        return await engine.start(replaced);
      }
    },
  };
}
