/**
 * What a person does to runs: trigger, repeat, cancel.
 *
 * A request is recorded first, with its run, and started then (I8). A start that fails because the engine is away does
 * not fail the request: it stands in the ledger, and the finisher starts it.
 */
import { describeError, RetryableError, TerminalError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { RunLedger } from "../run/ledger.ts";
import type { RunStatus } from "../run/run.ts";
import type { RunStarter } from "./dispatcher.ts";
import type { OwedRun } from "./ledger.ts";

export interface AcceptedRun {
  run_id: string;
  workflow_id: string;
}

/** postgres/accepted-runs.ts is behind it. Each call is one transaction, audited. */
export interface AcceptanceLedger {
  /**
   * Records a manual run with its payload. The same `requestKey` gets the run that it got first.
   * @throws TerminalError `definition_not_found`
   */
  acceptManual(request: {
    activity_id: string;
    payload: unknown;
    requestKey?: string;
    actor: string;
  }): Promise<AcceptedRun & OwedRun>;
  /** Records a run with the input of an earlier one. @throws TerminalError `not_found`, `definition_not_found` */
  acceptRerun(request: { run_id: string; actor: string }): Promise<AcceptedRun & OwedRun>;
  auditCancel(request: { run_id: string; actor: string }): Promise<void>;
}

/** temporal/run-starter.ts is behind it. */
export interface RunCanceller {
  /** Whether an open workflow was there to be asked. @throws RetryableError `temporal_unavailable` */
  cancel(workflowId: string): Promise<boolean>;
}

export interface RunControl {
  trigger(request: { activity_id: string; payload: unknown; requestKey?: string; actor: string }): Promise<AcceptedRun>;
  rerun(request: { run_id: string; actor: string }): Promise<AcceptedRun>;
  /** Asks the run to end; it is cancelled once its workflow has closed it. @throws TerminalError `not_found`, `run_not_running` */
  cancel(request: { run_id: string; actor: string }): Promise<void>;
}

export interface RunFinder {
  findRun(runId: string): Promise<{ status: RunStatus; workflow_id: string } | undefined>;
}

export interface RunControlDeps {
  accepted: AcceptanceLedger;
  reader: RunFinder;
  runs: RunLedger;
  /** Throw RetryableError while the engine was never reached. */
  starter: RunStarter & RunCanceller;
  log: Log;
}

export function createRunControl({ accepted, reader, runs, starter, log }: RunControlDeps): RunControl {
  async function start(run: AcceptedRun & OwedRun): Promise<AcceptedRun> {
    try {
      await starter.start(run);
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      log.warn({ run_id: run.run_id, reason: describeError(error) }, "accepted run not started yet; the finisher will");
    }
    const { run_id, workflow_id } = run;
    return { run_id, workflow_id };
  }

  return {
    trigger: async (request) => start(await accepted.acceptManual(request)),
    rerun: async (request) => start(await accepted.acceptRerun(request)),
    async cancel({ run_id, actor }) {
      const run = await reader.findRun(run_id);
      if (run === undefined) throw new TerminalError("not_found", `run ${run_id} is not there`);
      if (run.status !== "running")
        throw new TerminalError("run_not_running", `run ${run_id} is ${run.status} already`);
      await accepted.auditCancel({ run_id, actor });
      const asked = await starter.cancel(run.workflow_id);
      if (!asked) await runs.close({ run_id, failures: [], interruption: { status: "cancelled" } });
    },
  };
}
