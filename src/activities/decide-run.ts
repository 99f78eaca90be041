/** One round of a run: read how it stands, decide (pure), record. Each may be repeated: it then answers what stands there. */
import { type Activity, compileActivity } from "../definition/activity.ts";
import { atPlace, TerminalError } from "../kernel/errors.ts";
import { createPause } from "../kernel/wait.ts";
import { decideRound, type Round, type RoundFacts } from "../run/decide.ts";
import type { TemplateDecision } from "../run/decision.ts";
import type { ClosedRun, DecidedTask, NewRound, RunLedger, RunState, StateReads } from "../run/ledger.ts";
import type { ParamsCheck } from "../run/make-tasks.ts";
import { type RunRules, type TaskGroup, type TaskStep, WORKER_LOST } from "../run/run.ts";
import { stepAfter } from "../run/step-after.ts";
import { type DecidedRun, isOpen } from "../run/task-instance.ts";
import type { Secrets } from "../secret/secrets.ts";

export interface DecideDeps {
  runs: RunLedger;
  checkParams: ParamsCheck;
  secrets: Pick<Secrets, "has" | "missing">;
}

/** A round, with what is to be recorded of it. */
type DecidedRound =
  | Extract<Round, { skipped: string }>
  | (Exclude<Round, { skipped: string }> & { next: NewRound | undefined });

interface Known {
  state: RunState;
  round?: DecidedRound;
}

export type Progress = { skipped: ClosedRun } | { groups: TaskGroup[] };

export function createDecider({ runs, checkParams, secrets }: DecideDeps) {
  /** `next` is what to add to what stands; undefined: nothing. */
  async function decide(run: DecidedRun, activity: Activity, state: RunState): Promise<DecidedRound> {
    const facts: RoundFacts = {
      decided: state.decisions?.templates,
      tasks: state.tasks,
      values: state.values,
      taken: state.taken,
    };
    const round = await decideRound(run, activity, facts, { checkParams, breathe: createPause() });
    if ("skipped" in round) return round;
    requireSecrets(activity, round.templates);
    const number = (state.decisions?.round ?? 0) + 1;
    const isSame = state.decisions !== undefined && Bun.deepEquals(state.decisions.templates, round.templates);
    const next: NewRound | undefined = isSame ? undefined : { round: number, ...round };
    return { ...round, next };
  }

  /** A run that cannot do all its tasks for want of a secret does none. @throws TerminalError `secret_missing` */
  function requireSecrets({ tasks }: Activity, templates: readonly TemplateDecision[]): void {
    const made = new Set(templates.filter(({ outcome }) => outcome === "made").map(({ key }) => key));
    for (const { key, position, params } of tasks) {
      if (!made.has(key)) continue;
      const missing = [...params.reads.names("secret")].find((name) => !secrets.has(name));
      if (missing === undefined) continue;
      throw atPlace(secrets.missing(missing), `/task_templates/${position}/params`);
    }
  }

  /** The rounds of one run that are asked for in the same moment are decided one after the other: all but the first find little to do. */
  const deciding = new Map<string, Promise<unknown>>();
  async function inTurn<T>(runId: string, body: () => Promise<T>): Promise<T> {
    const turn = (deciding.get(runId) ?? Promise.resolve()).then(body, body);
    deciding.set(runId, turn);
    try {
      return await turn;
    } finally {
      if (deciding.get(runId) === turn) deciding.delete(runId);
    }
  }

  return {
    decide,

    readState: (runId: string, activity: Activity) => runs.readState(runId, readsOf(activity)),

    /**
     * @param known how the run stands where that was read, and the round where it was decided: neither is done again
     * @param isResumed whether nobody does tasks of the run: a try that was begun is lost, and is not made again where it was the last
     */
    advance(run: DecidedRun, activity: Activity, known?: Known, isResumed = false): Promise<Progress> {
      return inTurn(run.run_id, () => advance(run, activity, known, isResumed));
    },
  };

  async function advance(
    run: DecidedRun,
    activity: Activity,
    known: Known | undefined,
    isResumed: boolean,
  ): Promise<Progress> {
    for (let found = known; ; found = undefined) {
      const state = found?.state ?? (await runs.readState(run.run_id, readsOf(activity)));
      // It may have been cancelled, or its timeout been over, while this step decided.
      if (state.isOver) return { groups: [] };
      if (state.decisions === undefined && state.isDecided)
        return { groups: groupsOf(activity, new Set(activity.tasks.map(({ key }) => key)), state.tasks) };
      const lost = isResumed ? state.tasks.filter(isSpent) : [];
      if (lost.length > 0) {
        const failures = lost.map(({ task_id }) => ({ task_id, code: "worker_lost" as const, message: WORKER_LOST }));
        await runs.failTasks(run.run_id, failures);
        continue;
      }
      const round = found?.round ?? (await decide(run, activity, state));
      if ("skipped" in round) return { skipped: await skip(run.run_id, activity, round.skipped) };
      if (activity.isShadow && round.next !== undefined)
        return { skipped: await runs.recordShadow(run.run_id, inShadow(round.next)) };
      if (round.next === undefined) return { groups: groupsOf(activity, round.released, state.tasks) };
      const recorded = await runs.recordRound(run.run_id, round.next);
      // Otherwise another step of the run recorded a round in the same moment.
      if (recorded.isNew) {
        const keyed = new Map([...state.tasks, ...round.instances].map(({ task_id, key }) => [task_id, key]));
        const tasks = recorded.tasks.map((task) => ({ ...task, key: keyed.get(task.task_id) ?? "" }));
        return { groups: groupsOf(activity, round.released, tasks) };
      }
    }
  }

  function skip(runId: string, activity: Activity, detail: string): Promise<ClosedRun> {
    const reason = "the run was skipped";
    const templates = activity.tasks.map(({ key }): TemplateDecision => ({ key, outcome: "not_reached", reason }));
    return runs.skip(runId, detail, templates);
  }
}

/** Nothing is done in a shadow, so what waits for it is never reached. */
function inShadow({ round, templates, instances }: NewRound): NewRound {
  const seen = templates.map((decision): TemplateDecision => {
    if (decision.outcome !== "waiting") return decision;
    return { ...decision, outcome: "not_reached", reason: `${decision.reason}, and nothing is done in a shadow` };
  });
  return { round, templates: seen, instances };
}

/** @throws TerminalError `run_not_found` */
export async function requirePinned(runs: RunLedger, runId: string): Promise<{ run: DecidedRun; activity: Activity }> {
  const pinned = await runs.findPinned(runId);
  if (pinned === undefined) throw new TerminalError("run_not_found", `run ${runId} is not in the ledger`);
  const { activity, ...run } = pinned;
  return { run, activity: compileActivity(activity) };
}

/** @param countsFrom the run's timeout counts from here */
export function rulesOf({ timeout_ms, max_parallel, context }: Activity, countsFrom: Date, nowMs: number): RunRules {
  // The sources are read side by side.
  const context_ms = Math.max(0, ...context.map(({ timeoutMs }) => timeoutMs));
  return {
    max_parallel,
    ...(context.length > 0 && { context_ms }),
    ...(timeout_ms !== undefined && { timeout_ms: Math.max(1, countsFrom.getTime() + timeout_ms - nowMs) }),
  };
}

/** What the rules and params of an activity read, by its texts. */
function readsOf({ when, tasks }: Activity): StateReads {
  const parts = tasks.map((task) => [task.when, task.for_each, task.params]);
  return {
    results: Object.fromEntries(
      tasks.map(({ key }, index) => [
        key,
        (parts[index] ?? []).flatMap((part) => [...(part?.reads.names("tasks") ?? [])]),
      ]),
    ),
    events: [when, ...parts.flat()].some((part) => part?.reads.roots.has("events")),
  };
}

/** The open tasks of the templates that are released. */
function groupsOf(
  activity: Activity,
  released: ReadonlySet<string>,
  tasks: readonly (DecidedTask & { key: string })[],
): TaskGroup[] {
  const open = Map.groupBy(
    tasks.filter(({ status }) => isOpen(status)),
    ({ key }) => key,
  );
  return activity.tasks.flatMap(({ key, policy, max_parallel }): TaskGroup[] => {
    const ofKey = open.get(key) ?? [];
    if (!released.has(key) || ofKey.length === 0) return [];
    const task_ids = ofKey.filter(({ attempts }) => attempts === 0).map(({ task_id }) => task_id);
    const steps = ofKey.filter(({ attempts }) => attempts > 0).flatMap(leftOf);
    const leads_on = activity.tasks.some(({ depends_on }) => depends_on.includes(key));
    return [
      {
        ...{ key, ...policy, task_ids },
        ...(steps.length > 0 && { steps }),
        ...(max_parallel !== undefined && { max_parallel }),
        ...(leads_on && { leads_on }),
      },
    ];
  });
}

/** Whether its last try was begun. */
function isSpent({ status, attempts, policy }: DecidedTask): boolean {
  return status === "running" && attempts >= policy.max_attempts;
}

function leftOf({ task_id, policy, status, attempts }: DecidedTask): TaskStep[] {
  // It waits for a person, whose answer no try makes: whoever goes on waits for it too.
  if (status === "waiting") return [{ task_id, ...policy }];
  const step = stepAfter(task_id, policy, attempts);
  return step === undefined ? [] : [step];
}
