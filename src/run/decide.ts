/**
 * What a run decides: which tasks there are, and which of them may be done now.
 *
 * It decides in rounds. In the first one every template that reads no `tasks.…` is evaluated, also those whose tasks wait for
 * others; a template that reads results is evaluated when the templates that it depends on are over. Each round is given what the
 * ones before it decided and how the tasks stand, and answers what to add. Nothing but that, the activity and the values goes
 * into it: the same round made again decides the same tasks with the same ids (I8, I9).
 */
import type { Activity } from "../definition/activity.ts";
import { checkCondition } from "../expression/expression.ts";
import type { Values } from "../expression/scope.ts";
import { TerminalError } from "../kernel/errors.ts";
import type { TemplateDecision } from "./decision.ts";
import { endOf, judgeDependencies, resultOf, type TemplateEnd } from "./dependencies.ts";
import { at, createTaskMaker, type TaskMakerDeps } from "./make-tasks.ts";
import { DECIDING_MS } from "./run.ts";
import type { DecidedRun, StandingTask, TakenTask, TaskInstance } from "./task-instance.ts";

/** What a round is given besides the activity. */
export interface RoundFacts {
  /** Of the rounds before, in the order of the definition; undefined in the first one. */
  decided: readonly TemplateDecision[] | undefined;
  tasks: readonly StandingTask[];
  /** `event`, `trigger`, `run`, `context` and `now`. */
  values: Values;
  /** What a rerun takes over. */
  taken?: readonly TakenTask[];
}

export type Round =
  /** The definition's `when` does not hold. */
  | { skipped: string }
  | {
      /** One for each template, in the order of the definition. */
      templates: TemplateDecision[];
      /** To record, besides those that stand. */
      instances: TaskInstance[];
      /** Keys of templates whose recorded tasks are not to be done. */
      skip: string[];
      /** Keys of templates whose tasks may be done now, or have been. */
      released: Set<string>;
    };

export type RoundOptions = Pick<TaskMakerDeps, "checkParams" | "breathe">;

/** @throws what `createTaskMaker().make` throws; TerminalError `decision_too_long` */
export async function decideRound(
  run: DecidedRun,
  activity: Activity,
  { decided, tasks, values, taken = [] }: RoundFacts,
  options: RoundOptions,
): Promise<Round> {
  const { when } = activity;
  const condition = decided || !when ? undefined : at("/when", () => checkCondition(when, values));
  if (condition?.holds === false) return { skipped: condition.explanation };

  const breathe = inTime(options);
  const { checkParams } = options;
  const maker = createTaskMaker({
    ...{ run, activityName: activity.name, taken, standing: tasks.length, checkParams, breathe },
  });
  const decisions = new Map(decided?.map((decision) => [decision.key, decision]));
  const standing = Map.groupBy(tasks, ({ key }) => key);
  const ends = new Map<string, TemplateEnd | undefined>();
  const failedBefore = new Set<string>();
  const results: Record<string, unknown> = {};
  const instances: TaskInstance[] = [];
  const skip: string[] = [];
  const released = new Set<string>();

  for (const task of activity.tasks) {
    await breathe();
    const { key, depends_on } = task;
    // A run that was opened again judges anew what a template depends on: what was done because of it stays done.
    const hasBegun = standing.get(key)?.some(({ has_begun }) => has_begun) === true;
    const dependencies = hasBegun ? "hold" : judgeDependencies(task, ends, failedBefore);
    const readsResults = [task.when, task.for_each, task.params].some((part) => part?.reads.roots.has("tasks"));
    let decision = decisions.get(key);
    let fresh: TaskInstance[] = [];
    if (decision === undefined || decision.outcome === "waiting") {
      const isReady = !readsResults || dependencies === "hold";
      if (isReady) ({ decision, instances: fresh } = await maker.make(task, { ...values, tasks: results }));
      else decision = { key, outcome: "waiting", reason: `reads the results of ${depends_on.join(", ")}` };
    }
    if (typeof dependencies === "object" && decision.outcome !== "skipped") {
      decision = { ...decision, outcome: "skipped", cause: "dependency", reason: dependencies.reason };
      if (standing.has(key)) skip.push(key);
      fresh = [];
    }
    decisions.set(key, decision);
    instances.push(...fresh);
    if (decision.outcome === "made" && dependencies === "hold") released.add(key);

    const ofKey = [...(standing.get(key) ?? []), ...fresh.map(toStanding)];
    const end = endOf(decision, ofKey, released.has(key));
    ends.set(key, end);
    const isBlamed = decision.cause === "dependency" && depends_on.some((before) => failedBefore.has(before));
    if (end === "failed" || (end === "skipped" && isBlamed)) failedBefore.add(key);
    if (end !== undefined) results[key] = resultOf(task, end, ofKey);
  }

  const inDefinition = activity.tasks.toSorted((a, b) => a.position - b.position);
  const templates = inDefinition.map(({ key }) => decisions.get(key) as TemplateDecision);
  return { templates, instances, skip, released };
}

/** A round that evaluates for too long ends with an error. */
function inTime({ breathe }: Pick<RoundOptions, "breathe">): () => Promise<void> | undefined {
  const startedMs = performance.now();
  return () => {
    if (performance.now() - startedMs <= DECIDING_MS) return breathe();
    throw new TerminalError("decision_too_long", `its expressions took longer than ${DECIDING_MS / 1000} s`);
  };
}

function toStanding({ key, instance, taken }: TaskInstance): StandingTask {
  if (taken === undefined) return { key, instance, status: "pending" };
  return { key, instance, status: "succeeded", result: taken.result, error: null };
}
