/** The steps of a run, bridged from workflow to ledger. Local activities: small, quick, and safe to repeat. */
import { type Activity, compileActivity } from "../definition/activity.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Claims } from "../occurrence/claim.ts";
import { type DecidedRun, decideTasks } from "../run/decide.ts";
import type { RunLedger } from "../run/ledger.ts";
import type { RunSteps, TaskStep } from "../run/run.ts";
import { translated } from "./translate.ts";

export interface RunStepsDeps {
  claims: Claims;
  runs: RunLedger;
  metrics: Metrics;
  log: Log;
}

export function createRunSteps({ claims, runs, metrics, log }: RunStepsDeps): RunSteps {
  async function decide(runId: string): Promise<TaskStep[]> {
    const pinned = await runs.findPinned(runId);
    if (pinned === undefined) throw new TerminalError("run_not_found", `run ${runId} is not in the ledger`);
    return record(pinned, compileActivity(pinned.activity));
  }

  function record(run: DecidedRun, activity: Activity): Promise<TaskStep[]> {
    return runs.recordDecision(run.run_id, decideTasks(run, activity));
  }

  /** Undefined: it cannot be decided, and a step of its own says why and closes the run. */
  async function decideOnClaim(run: DecidedRun, activity: Activity): Promise<TaskStep[] | undefined> {
    try {
      return await record(run, activity);
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      // The claim's commit does not wait for the disk, so a crash of Postgres may have undone it: it is made again.
      if (error.code === "run_not_found") throw new RetryableError("claim_undone", error.message, { cause: error });
      return undefined;
    }
  }

  return {
    claimRun: translated(async (request) => {
      const claim = await claims.claim(request, new Date());
      const { outcome, run_id } = claim;
      log.debug({ activity_id: request.activity_id, run_id, outcome }, "occurrence claimed");
      if (outcome === "duplicate") return { outcome, run_id };
      const { activity } = claim;
      if (outcome === "skipped") {
        metrics.runs.inc({ status: "skipped" });
        return { outcome, run_id, activity_name: activity.name, reason: claim.reason };
      }
      metrics.startLatency.observe(claim.start_latency_ms / 1000);
      const steps = await decideOnClaim(claim, activity);
      return { outcome, run_id, activity_name: activity.name, ...(steps !== undefined && { steps }) };
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
