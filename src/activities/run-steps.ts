/** The steps of a run, bridged from workflow to ledger. Local activities: small, quick, and safe to repeat. */
import { compileActivity } from "../definition/activity.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { judgeRequest } from "../occurrence/classify.ts";
import type { OccurrenceLedger } from "../occurrence/ledger.ts";
import { decideTasks } from "../run/decide.ts";
import type { RunLedger } from "../run/ledger.ts";
import type { RunSteps, TaskStep } from "../run/run.ts";
import { translated } from "./translate.ts";

export interface RunStepsDeps {
  occurrences: OccurrenceLedger;
  runs: RunLedger;
  metrics: Metrics;
  log: Log;
}

export function createRunSteps({ occurrences, runs, metrics, log }: RunStepsDeps): RunSteps {
  async function decide(runId: string): Promise<TaskStep[]> {
    const pinned = await runs.findPinned(runId);
    if (pinned === undefined) throw new TerminalError("run_not_found", `run ${runId} is not in the ledger`);
    return runs.recordDecision(runId, decideTasks(pinned, compileActivity(pinned.activity)));
  }

  /** Undefined: it cannot be decided, and a step of its own says why and closes the run. */
  async function decideOnClaim(runId: string): Promise<TaskStep[] | undefined> {
    try {
      return await decide(runId);
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      // The claim's commit does not wait for the disk, so a crash of Postgres may have undone it: it is made again.
      if (error.code === "run_not_found") throw new RetryableError("claim_undone", error.message, { cause: error });
      return undefined;
    }
  }

  return {
    claimRun: translated(async (request) => {
      const { start_latency_ms, ...claim } = await occurrences.claim(
        request,
        await judgeRequest(occurrences, request, new Date()),
      );
      log.debug(
        { activity_id: request.activity_id, run_id: claim.run_id, outcome: claim.outcome },
        "occurrence claimed",
      );
      if (claim.outcome === "skipped") metrics.runs.inc({ status: "skipped" });
      if (claim.outcome !== "claimed") return claim;
      metrics.startLatency.observe(start_latency_ms / 1000);
      const steps = await decideOnClaim(claim.run_id);
      return { ...claim, ...(steps !== undefined && { steps }) };
    }),

    decideRun: translated(decide),

    closeRun: translated(async (close) => {
      const { closedNow, activity, ...result } = await runs.close(close);
      if (closedNow) {
        metrics.runs.inc({ status: result.status });
        log[result.status === "failed" ? "warn" : "info"]({ ...activity, ...result }, "run closed");
      }
      return result;
    }),
  };
}
