/**
 * What a run decides: which tasks there are, and which of them may be done now.
 *
 * It decides in rounds. In the first one every template that reads no `tasks.…` is evaluated, also those whose tasks wait for
 * others; a template that reads results is evaluated when the templates that it depends on are over. Each round is given what the
 * ones before it decided and how the tasks stand, and answers what to add. Nothing but that, the activity and the values goes
 * into it: the same round made again decides the same tasks with the same ids (I8, I9).
 */
import type { Activity, ActivityTask, TaskPolicy } from "../definition/activity.ts";
import { checkCondition } from "../expression/expression.ts";
import { ExpressionError } from "../expression/expression-error.ts";
import type { Values } from "../expression/scope.ts";
import { canonicalJson } from "../json/canonical.ts";
import { TerminalError } from "../kernel/errors.ts";
import { childUuid, stableUuid } from "../kernel/stable-id.ts";
import type { CheckedParams } from "../task/params-check.ts";
import type { TaskStatus, TemplateSources } from "../task/task.ts";
import type { TemplateDecision } from "./decision.ts";
import type { TaskStep } from "./run.ts";

/** A task to do, not yet recorded. */
export interface TaskInstance {
  /** Follows from the run, the task's key and its instance: the same decision made again records the same task. */
  task_id: string;
  /** What the outside knows the task by (I8). Follows from the occurrence, so that it is the same on another ledger. */
  idempotency_key: string;
  key: string;
  /** Which item of the template's `for_each`; null where it has none. */
  instance: number | null;
  type: string;
  params: unknown;
  sources?: TemplateSources;
  policy: TaskPolicy;
  /** The task of the repeated run that succeeded: its result is taken over, and nothing is done. */
  taken?: TakenTask;
}

/** A claimed run, by the occurrence that it is about. */
export interface DecidedRun {
  run_id: string;
  /** Of the occurrence. */
  kind: string;
  key: string;
}

/** A task that succeeded in the run that this one repeats. */
export interface TakenTask {
  task_id: string;
  key: string;
  instance: number | null;
  params: unknown;
  result: unknown;
}

/** A recorded task of the run, as it stands. */
export interface StandingTask {
  key: string;
  instance: number | null;
  status: TaskStatus;
  /** Read only where a template that is not decided reads the results of this one. */
  result?: unknown;
  error?: unknown;
}

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

/** Checks params that were rendered (task/params-check.ts); `path` is theirs in the definition. */
export type ParamsCheck = (type: string, params: unknown, sources: TemplateSources, path: string) => CheckedParams;

export interface RoundOptions {
  checkParams: ParamsCheck;
  /** Lets others have their turn; awaited between evaluations. */
  breathe(): Promise<void> | undefined;
}

export const MAX_ITEMS = 1_000;
/** Of the params of all tasks that one round makes, as JSON. */
const MAX_PARAMS_BYTES = 33_554_432;
/** Of the evaluations of one round, milliseconds. */
const MAX_ROUND_MS = 20_000;

/** The only round of an activity that is plain: every run has the same tasks, all at once. */
export function plainRound(run: DecidedRun, { name, tasks }: Pick<Activity, "name" | "tasks">) {
  const instances = tasks.map(
    ({ key, type, params, policy }): TaskInstance => ({
      ...identify(run, name, key, null),
      ...{ key, instance: null, type, params: params.render({}).value, policy },
    }),
  );
  return {
    round: 1,
    templates: tasks.map(({ key }): TemplateDecision => ({ key, outcome: "made", count: 1 })),
    instances,
  };
}

/** In `idempotency_key` the activity counts by its name: its id is another one where it was created anew. */
function identify({ run_id, kind, key }: DecidedRun, name: string, task: string, instance: number | null) {
  const parts = instance === null ? [task] : [task, String(instance)];
  return { task_id: childUuid(run_id, "task", ...parts), idempotency_key: stableUuid(name, kind, key, ...parts) };
}

/**
 * @throws ExpressionError, whose message begins with the place in the definition; TerminalError `too_many_items`,
 * `params_invalid`, `decision_too_large`, `decision_too_long`
 */
export async function decideRound(
  run: DecidedRun,
  activity: Activity,
  facts: RoundFacts,
  options: RoundOptions,
): Promise<Round> {
  const { decided, values } = facts;
  if (decided === undefined && activity.when !== undefined) {
    const { when } = activity;
    const { holds, explanation } = at("/when", () => checkCondition(when, values));
    if (!holds) return { skipped: explanation };
  }
  const startedMs = performance.now();
  const decisions = new Map(decided?.map((decision) => [decision.key, decision]));
  const standing = Map.groupBy(facts.tasks, ({ key }) => key);
  const taken = new Map(facts.taken?.map((task) => [nameOf(task), task]));
  const results: Record<string, unknown> = {};
  const failedBefore = new Set<string>();
  const instances: TaskInstance[] = [];
  const skip: string[] = [];
  const released = new Set<string>();
  let bytes = 0;

  async function breathe(): Promise<void> {
    if (performance.now() - startedMs > MAX_ROUND_MS)
      throw new TerminalError("decision_too_long", `its expressions took longer than ${MAX_ROUND_MS / 1000} s`);
    await options.breathe();
  }

  async function evaluate(task: ActivityTask): Promise<TemplateDecision> {
    const { key, for_each, when } = task;
    const path = `/task_templates/${task.position}`;
    const own: Values = { ...values, tasks: results };
    if (for_each === undefined) {
      const condition = when && at(`${path}/when`, () => checkCondition(when, own));
      if (condition?.holds === false)
        return { key, outcome: "skipped", cause: "condition", reason: condition.explanation };
      make(task, path, own, null);
      return { key, outcome: "made", count: 1 };
    }
    const items = at(`${path}/for_each`, () => requireList(for_each.text, for_each.evaluate(own)));
    let count = 0;
    let reason: string | undefined;
    for (const [index, item] of items.entries()) {
      await breathe();
      const ofItem = { ...own, item, index };
      const condition = when && at(`${path}/when`, () => checkCondition(when, ofItem), index);
      if (condition?.holds === false) {
        reason ??= `item ${index}: ${condition.explanation}`;
        continue;
      }
      make(task, path, ofItem, index);
      count++;
    }
    const left_out = items.length - count;
    return { key, outcome: "made", count, ...(left_out > 0 && { left_out, ...(reason !== undefined && { reason }) }) };
  }

  function make({ key, type, params, policy }: ActivityTask, path: string, own: Values, instance: number | null): void {
    const rendered = at(`${path}/params`, () => params.render(own), instance);
    const which = instance === null ? "" : ` (item ${instance})`;
    const isLiteral = Object.keys(rendered.sources).length === 0;
    const checked = isLiteral
      ? { params: rendered.value }
      : options.checkParams(type, rendered.value, rendered.sources, `${path}/params`);
    if ("fault" in checked) throw new TerminalError("params_invalid", `${checked.fault}${which}`);
    if (!isLiteral) bytes += Buffer.byteLength(JSON.stringify(checked.params));
    if (bytes > MAX_PARAMS_BYTES)
      throw new TerminalError("decision_too_large", `the params of its tasks take more than ${MAX_PARAMS_BYTES} bytes`);
    const old = taken.get(nameOf({ key, instance }));
    const isSame = old !== undefined && canonicalJson(old.params) === canonicalJson(checked.params);
    instances.push({
      ...identify(run, activity.name, key, instance),
      ...{ key, instance, type, params: checked.params, policy },
      ...(!isLiteral && { sources: rendered.sources }),
      ...(isSame && { taken: old }),
    });
  }

  /** How a template ended; undefined while it has not. */
  const ends = new Map<string, "succeeded" | "failed" | "skipped" | undefined>();
  for (const task of activity.tasks) {
    await breathe();
    const { key, depends_on } = task;
    const dependencies = judgeDependencies(task, ends, failedBefore);
    const readsResults = [task.when, task.for_each, task.params].some((part) => part?.reads.roots.has("tasks"));
    let decision = decisions.get(key);
    if (decision === undefined || decision.outcome === "waiting") {
      if (!readsResults || dependencies === "hold") decision = await evaluate(task);
      else decision = { key, outcome: "waiting", reason: `reads the results of ${depends_on.join(", ")}` };
    }
    if (typeof dependencies === "object" && decision.outcome !== "skipped") {
      if (decision.outcome === "made") skip.push(key);
      decision = { ...decision, outcome: "skipped", cause: "dependency", reason: dependencies.reason };
      if (decided === undefined || !standing.has(key)) dropInstances(key);
    }
    decisions.set(key, decision);
    const ofKey = [...(standing.get(key) ?? []), ...instances.filter((each) => each.key === key).map(toStanding)];
    if (decision.outcome === "made" && dependencies === "hold") released.add(key);
    const end = endOf(decision, ofKey, released.has(key));
    ends.set(key, end);
    if (end === "failed" || depends_on.some((before) => failedBefore.has(before))) failedBefore.add(key);
    if (end !== undefined) results[key] = resultOf(task, decision, ofKey);
  }

  /** They were made in this very round, and are not to be recorded. */
  function dropInstances(key: string): void {
    for (let index = instances.length - 1; index >= 0; index--)
      if (instances[index]?.key === key) instances.splice(index, 1);
  }

  const inDefinition = [...activity.tasks].sort((a, b) => a.position - b.position);
  const templates = inDefinition.map(({ key }) => decisions.get(key) as TemplateDecision);
  return { templates, instances, skip: skip.filter((key) => standing.has(key)), released };
}

/**
 * `hold`: the template's tasks may be done. `open`: a template that it depends on is not over. Otherwise why they are not done.
 * A dependency counts as failed for `any_failed` also where it was skipped because one before it failed.
 */
function judgeDependencies(
  { depends_on, run_when }: ActivityTask,
  ends: ReadonlyMap<string, string | undefined>,
  failedBefore: ReadonlySet<string>,
): "hold" | "open" | { reason: string } {
  if (depends_on.some((key) => ends.get(key) === undefined)) return "open";
  if (run_when === "all_done") return "hold";
  if (run_when === "any_failed")
    return depends_on.some((key) => failedBefore.has(key)) || depends_on.length === 0
      ? "hold"
      : { reason: `run_when is any_failed, and none of ${depends_on.join(", ")} failed` };
  const others = depends_on.filter((key) => ends.get(key) !== "succeeded");
  if (others.length === 0) return "hold";
  return { reason: others.map((key) => `${key} ${ends.get(key) === "failed" ? "failed" : "was skipped"}`).join(", ") };
}

function endOf({ outcome }: TemplateDecision, tasks: readonly StandingTask[], isReleased: boolean) {
  if (outcome === "skipped") return "skipped";
  if (outcome !== "made" || !isReleased) return undefined;
  if (tasks.some(({ status }) => isOpen(status))) return undefined;
  return tasks.every(({ status }) => status === "succeeded") ? "succeeded" : "failed";
}

export function isOpen(status: TaskStatus): boolean {
  return status === "pending" || status === "running" || status === "retrying";
}

function toStanding({ key, instance, taken }: TaskInstance): StandingTask {
  return taken === undefined
    ? { key, instance, status: "pending" }
    : { key, instance, status: "succeeded", result: taken.result, error: null };
}

/** `tasks.KEY`, of a template that is over: of a `for_each` a list, in the order of its items. */
function resultOf({ for_each }: ActivityTask, { outcome }: TemplateDecision, tasks: readonly StandingTask[]): unknown {
  const shown = [...tasks]
    .sort((a, b) => (a.instance ?? 0) - (b.instance ?? 0))
    .map(({ status, result = null, error = null }) => ({ status, result, error }));
  if (for_each !== undefined) return outcome === "skipped" ? [] : shown;
  return outcome === "skipped" ? { status: "skipped", result: null, error: null } : shown[0];
}

function requireList(text: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value))
    throw new ExpressionError(`${text} is no list: for_each makes a task of each item of a list`);
  if (value.length > MAX_ITEMS)
    throw new TerminalError(
      "too_many_items",
      `${text} has ${value.length} items: for_each takes at most ${MAX_ITEMS}`,
      {
        hint: "Let the context source answer fewer, or several runs share them",
      },
    );
  return value;
}

/** Says in an error where in the definition it happened. */
function at<T>(path: string, evaluate: () => T, instance: number | null = null): T {
  try {
    return evaluate();
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    const which = instance === null ? "" : ` (item ${instance})`;
    throw new TerminalError(error.code, `${path}${which}: ${error.message}`, {
      cause: error,
      ...(error.hint !== undefined && { hint: error.hint }),
    });
  }
}

function nameOf({ key, instance }: { key: string; instance: number | null }): string {
  return JSON.stringify([key, instance]);
}

/**
 * What is left of a task after `attempts` tries, the last of which failed for now and may have said when to try again.
 * Undefined where no try is left.
 */
export function stepAfter(
  task_id: string,
  policy: TaskPolicy,
  attempts: number,
  waitMs?: number,
): TaskStep | undefined {
  const { max_attempts, initial_interval_ms, backoff_coefficient, max_interval_ms } = policy;
  if (attempts >= max_attempts) return undefined;
  const longest = Math.max(max_interval_ms, initial_interval_ms);
  const waitAfter = (tries: number) => Math.min(initial_interval_ms * backoff_coefficient ** (tries - 1), longest);
  return {
    ...{ task_id, ...policy, max_attempts: max_attempts - attempts },
    delay_ms: Math.round(waitMs ?? waitAfter(attempts)),
    initial_interval_ms: Math.round(waitAfter(attempts + 1)),
  };
}
