/**
 * The steps of a run, bridged from workflow to ledger. Local activities, safe to repeat. A claim takes as long as the quick tasks
 * that it does (quick-tasks.ts).
 */
import { type Activity, compileActivity } from "../definition/activity.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { inTime } from "../kernel/wait.ts";
import type { Claims } from "../occurrence/claim.ts";
import { type DecidedRun, decideTasks } from "../run/decide.ts";
import type { ClosedRun, Decision } from "../run/ledger.ts";
import type { RunResult, RunSteps, TaskStep } from "../run/run.ts";
import { createQuickTasks, type QuickTasksDeps } from "./quick-tasks.ts";
import { translated } from "./translate.ts";

export interface RunStepsDeps extends QuickTasksDeps {
  claims: Claims;
  metrics: Metrics;
  log: Log;
}

const CLAIM_WITHIN_MS = 20_000;
const tooLate = () =>
  new RetryableError("claim_too_late", `the ledger did not take the claim within ${CLAIM_WITHIN_MS / 1000} s`);

export function createRunSteps(deps: RunStepsDeps): RunSteps {
  const { claims, runs, metrics, log } = deps;
  const quickTasks = createQuickTasks(deps);

  async function decide(runId: string): Promise<TaskStep[]> {
    const pinned = await runs.findPinned(runId);
    if (pinned === undefined) throw new TerminalError("run_not_found", `run ${runId} is not in the ledger`);
    return stepsOf(await runs.recordDecision(runId, decideTasks(pinned, compileActivity(pinned.activity))));
  }

  /** Does the tasks too where all are quick. Undefined: it cannot be decided, and a step of its own says why and closes the run. */
  async function decideOnClaim(
    run: DecidedRun,
    activity: Activity,
  ): Promise<{ steps: TaskStep[] } | { closed: RunResult } | undefined> {
    try {
      const instances = decideTasks(run, activity);
      if (!quickTasks.areQuick(instances)) return { steps: stepsOf(await runs.recordDecision(run.run_id, instances)) };
      const end = await quickTasks.run(run.run_id, instances);
      return "closed" in end ? { closed: reportClosed(end.closed) } : end;
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      // The claim's commit does not wait for the disk, so a crash of Postgres may have undone it: it is made again.
      if (error.code === "run_not_found") throw new RetryableError("claim_undone", error.message, { cause: error });
      return undefined;
    }
  }

  function reportClosed({ closedNow, activity, ...result }: ClosedRun): RunResult {
    if (closedNow) {
      metrics.runs.inc({ status: result.status });
      log[result.status === "failed" ? "warn" : "info"]({ ...activity, ...result }, "run closed");
    }
    return result;
  }

  return {
    claimRun: translated(async (request) => {
      const claim = await inTime(claims.claim(request, new Date()), CLAIM_WITHIN_MS, tooLate);
      const { outcome, run_id } = claim;
      log.debug({ activity_id: request.activity_id, run_id, outcome }, "occurrence claimed");
      if (outcome === "duplicate") return { outcome, run_id };
      const { activity } = claim;
      if (outcome === "skipped") {
        metrics.runs.inc({ status: "skipped" });
        return { outcome, run_id, activity_name: activity.name, reason: claim.reason };
      }
      metrics.startLatency.observe(claim.start_latency_ms / 1000);
      return { outcome, run_id, activity_name: activity.name, ...(await decideOnClaim(claim, activity)) };
    }),

    decideRun: translated(decide),

    closeRun: translated(async (close) => reportClosed(await runs.close(close))),
  };
}

function stepsOf({ tasks }: Decision): TaskStep[] {
  return tasks.map(({ task_id, policy }) => ({ task_id, ...policy }));
}
