/**
 * The steps of a run, bridged from workflow to ledger. Local activities, safe to repeat. A claim takes as long as the quick tasks
 * that it does (quick-tasks.ts).
 */
import type { Activity, ActivityTask } from "../definition/activity.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { inTime } from "../kernel/wait.ts";
import type { Claims } from "../occurrence/claim.ts";
import type { ClosedRun, DecidedTask, NewRound } from "../run/ledger.ts";
import type { ClaimProgress, RunProgress, RunResult, RunRules, RunSteps, TaskGroup, TaskStep } from "../run/run.ts";
import { type DecidedRun, isOpen, plainRound } from "../run/task-instance.ts";
import { createDecider, type DecideDeps, type Progress, requirePinned, rulesOf } from "./decide-run.ts";
import { createQuickTasks, type QuickTasksDeps } from "./quick-tasks.ts";
import { translated } from "./translate.ts";

export interface RunStepsDeps extends QuickTasksDeps, DecideDeps {
  claims: Claims;
  metrics: Metrics;
  log: Log;
}

const CLAIM_WITHIN_MS = 20_000;
/** More tasks than these are not done with the claim, however quick they are. */
const MAX_QUICK_TASKS = 32;
/** How long the waves of a run may take with its claim, milliseconds; what is left is handed on. */
const WAVES_WITHIN_MS = 10_000;
const tooLate = () =>
  new RetryableError("claim_too_late", `the ledger did not take the claim within ${CLAIM_WITHIN_MS / 1000} s`);

export function createRunSteps(deps: RunStepsDeps): RunSteps {
  const { claims, runs, metrics, log } = deps;
  const quickTasks = createQuickTasks(deps);
  const decider = createDecider(deps);

  /** Does the tasks too where all are quick. Undefined: it cannot be decided, and a step of its own says why and closes the run. */
  async function decideOnClaim(run: DecidedRun, activity: Activity): Promise<ClaimProgress & { rules?: RunRules }> {
    try {
      return activity.isPlain ? await decidePlainRun(run, activity) : await decideRuledRun(run, activity);
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      // The claim's commit does not wait for the disk, so a crash of Postgres may have undone it: it is made again.
      if (error.code === "run_not_found") throw new RetryableError("claim_undone", error.message, { cause: error });
      return {};
    }
  }

  async function decidePlainRun(run: DecidedRun, activity: Activity): Promise<ClaimProgress> {
    const round = plainRound(run, activity);
    if (quickTasks.areQuick(round.instances)) return doQuickly(run.run_id, round);
    return { steps: stepsOf((await runs.recordRound(run.run_id, round)).tasks) };
  }

  async function decideRuledRun(run: DecidedRun, activity: Activity): Promise<ClaimProgress & { rules: RunRules }> {
    const state = await decider.readState(run.run_id, activity);
    const rules = rulesOf(activity, state.countsFrom, Date.now());
    if (state.isDecided) return { rules, ...report(await decider.advance(run, activity, { state }, true)) };
    if (activity.context.length > 0 && state.context === undefined) return { rules };
    const round = await decider.decide(run, activity, state);
    if (
      !activity.isShadow &&
      "next" in round &&
      round.next !== undefined &&
      isQuickRound(activity, round.next, rules.timeout_ms)
    )
      return { rules, ...(await doQuickly(run.run_id, round.next)) };
    const progress = await decider.advance(run, activity, { state, round });
    return { rules, ...(await doWaves(run, activity, progress, rules.timeout_ms)) };
  }

  /**
   * Does one wave of released tasks after the other, as long as each is quick and untried; when none is left, the run is closed.
   * Otherwise what is left is handed on.
   */
  async function doWaves(
    run: DecidedRun,
    activity: Activity,
    first: Progress,
    leftMs = Number.POSITIVE_INFINITY,
  ): Promise<ClaimProgress> {
    const until = performance.now() + Math.min(leftMs, WAVES_WITHIN_MS);
    const types = new Map(activity.tasks.map(({ key, type }) => [key, type]));
    for (let progress = first; ; ) {
      if ("skipped" in progress) return report(progress);
      const { groups } = progress;
      if (groups.length === 0)
        return { closed: reportClosed(await runs.close({ run_id: run.run_id, failures: [], reopened: 0 })) };
      const wave = groups.flatMap(({ key, task_ids, ...policy }) => {
        const type = types.get(key) as ActivityTask["type"];
        return task_ids.map((task_id) => ({ task_id, type, policy }));
      });
      const isWhole = groups.every(({ steps, task_ids, max_parallel = MAX_QUICK_TASKS }) => {
        return steps === undefined && task_ids.length <= max_parallel;
      });
      const hasRoom = wave.length <= Math.min(MAX_QUICK_TASKS, activity.max_parallel);
      const isQuick = isWhole && hasRoom && quickTasks.areQuick(wave, until - performance.now());
      const waits = isQuick ? await quickTasks.doWave(wave) : undefined;
      if (waits === undefined) return { groups };
      const next = await decider.advance(run, activity);
      progress = "groups" in next ? { groups: next.groups.map((group) => withWaits(group, waits)) } : next;
    }
  }

  /** Whether all that the run does may be done with its claim, and is over before the run's timeout is. */
  function isQuickRound({ tasks, max_parallel }: Activity, { instances }: NewRound, leftMs?: number): boolean {
    const room = Math.min(MAX_QUICK_TASKS, ...tasks.flatMap((task) => task.max_parallel ?? []), max_parallel);
    const isOneWave = tasks.every(({ depends_on }) => depends_on.length === 0);
    return isOneWave && instances.length <= room && quickTasks.areQuick(instances, leftMs);
  }

  async function doQuickly(runId: string, round: NewRound): Promise<ClaimProgress> {
    const end = await quickTasks.run(runId, round);
    return "closed" in end ? { closed: reportClosed(end.closed) } : end;
  }

  function report(progress: Progress): RunProgress {
    return "skipped" in progress ? { closed: reportClosed(progress.skipped) } : progress;
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
      if (outcome === "queued") return { outcome, run_id, activity_name: activity.name };
      metrics.startLatency.observe(claim.start_latency_ms / 1000);
      const { reopened } = claim;
      const progress = await decideOnClaim(claim, activity);
      return { outcome, run_id, activity_name: activity.name, ...(reopened > 0 && { reopened }), ...progress };
    }),

    decideRun: translated(async (runId, failures = []) => {
      await runs.failTasks(runId, failures);
      const { run, activity } = await requirePinned(runs, runId);
      return report(await decider.advance(run, activity));
    }),

    failTasks: translated((runId, failures) => runs.failTasks(runId, failures)),

    closeRun: translated(async (close) => reportClosed(await runs.close(close))),
  };
}

function stepsOf(tasks: readonly DecidedTask[]): TaskStep[] {
  return tasks.filter(({ status }) => isOpen(status)).map(({ task_id, policy }) => ({ task_id, ...policy }));
}

/** A task that said when it is to be tried again is tried then. */
function withWaits(group: TaskGroup, waits: ReadonlyMap<string, number>): TaskGroup {
  if (group.steps === undefined) return group;
  const steps = group.steps.map((step) => {
    const delay_ms = waits.get(step.task_id);
    return delay_ms === undefined ? step : { ...step, delay_ms };
  });
  return { ...group, steps };
}
