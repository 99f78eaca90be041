/** One template of a run, evaluated: whether it makes tasks, of which items, and with which params. */
import type { ActivityTask } from "../definition/activity.ts";
import { checkCondition } from "../expression/expression.ts";
import { ExpressionError } from "../expression/expression-error.ts";
import type { Values } from "../expression/scope.ts";
import { canonicalJson } from "../json/canonical.ts";
import { atPlace, TerminalError } from "../kernel/errors.ts";
import type { CheckedParams } from "../task/params-check.ts";
import type { TemplateSources } from "../task/task.ts";
import type { TemplateDecision } from "./decision.ts";
import { type DecidedRun, identifyTask, nameOf, type TakenTask, type TaskInstance } from "./task-instance.ts";

/** Checks params that were rendered (task/params-check.ts); `path` is theirs in the definition. */
export type ParamsCheck = (type: string, params: unknown, sources: TemplateSources, path: string) => CheckedParams;

export interface TaskMakerDeps {
  run: DecidedRun;
  activityName: string;
  /** What a rerun takes over. */
  taken: readonly TakenTask[];
  /** How many tasks the run has. */
  standing: number;
  checkParams: ParamsCheck;
  /** Lets others have their turn; awaited between evaluations. */
  breathe(): Promise<void> | undefined;
}

export interface Made {
  decision: TemplateDecision;
  instances: TaskInstance[];
}

export const MAX_ITEMS = 1_000;
/** Of a run. Their ids go to the engine together, which refuses what has more than 2 MB. */
export const MAX_TASKS = 10_000;
/** Of the params of all tasks that one maker makes, as JSON. */
const MAX_PARAMS_BYTES = 33_554_432;

export function createTaskMaker({ run, activityName, taken, standing, checkParams, breathe }: TaskMakerDeps) {
  const old = new Map(taken.map((task) => [nameOf(task), task]));
  let bytes = 0;
  let count = standing;

  function makeOne(task: ActivityTask, path: string, values: Values, instance: number | null): TaskInstance {
    const { key, type, policy } = task;
    if (++count > MAX_TASKS)
      throw new TerminalError("too_many_tasks", `${path}: a run has at most ${MAX_TASKS} tasks`, {
        hint: "Let several runs share them, or several items one task",
      });
    const { value, sources } = at(`${path}/params`, () => task.params.render(values), instance);
    const isLiteral = Object.keys(sources).length === 0;
    const checked = isLiteral ? { params: value } : checkParams(type, value, sources, `${path}/params`);
    if ("fault" in checked) throw new TerminalError("params_invalid", checked.fault + describeItem(instance));
    const { params } = checked;
    bytes += Buffer.byteLength(JSON.stringify(params));
    if (bytes > MAX_PARAMS_BYTES)
      throw new TerminalError("decision_too_large", `the params of its tasks take more than ${MAX_PARAMS_BYTES} bytes`);
    const before = old.get(nameOf({ key, instance }));
    const isSame = before !== undefined && canonicalJson(before.params) === canonicalJson(params);
    return {
      ...identifyTask(run, activityName, key, instance),
      ...{ key, instance, type, params, policy },
      ...(!isLiteral && { sources }),
      ...(isSame && { taken: before }),
    };
  }

  async function makeForEach(
    task: ActivityTask,
    path: string,
    values: Values,
    items: readonly unknown[],
  ): Promise<Made> {
    const { key, when } = task;
    const instances: TaskInstance[] = [];
    let reason: string | undefined;
    for (const [index, item] of items.entries()) {
      await breathe();
      const ofItem = { ...values, item, index };
      const condition = when && at(`${path}/when`, () => checkCondition(when, ofItem), index);
      if (condition?.holds === false) reason ??= `item ${index}: ${condition.explanation}`;
      else instances.push(makeOne(task, path, ofItem, index));
    }
    const count = instances.length;
    const leftOut = reason === undefined ? {} : { left_out: items.length - count, reason };
    return { decision: { key, outcome: "made", count, ...leftOut }, instances };
  }

  return {
    /**
     * @throws TerminalError `expression_failed`, `too_many_items`, `too_many_tasks`, `params_invalid`, whose messages begin with the place in the
     * definition; `decision_too_large`
     */
    async make(task: ActivityTask, values: Values): Promise<Made> {
      const { key, for_each, when } = task;
      const path = `/task_templates/${task.position}`;
      if (for_each !== undefined) {
        const items = at(`${path}/for_each`, () => requireList(for_each.text, for_each.evaluate(values)));
        return makeForEach(task, path, values, items);
      }
      const condition = when && at(`${path}/when`, () => checkCondition(when, values));
      if (condition?.holds === false)
        return {
          decision: { key, outcome: "skipped", cause: "condition", reason: condition.explanation },
          instances: [],
        };
      return { decision: { key, outcome: "made", count: 1 }, instances: [makeOne(task, path, values, null)] };
    },
  };
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
export function at<T>(path: string, evaluate: () => T, instance: number | null = null): T {
  try {
    return evaluate();
  } catch (error) {
    throw atPlace(error, path + describeItem(instance));
  }
}

function describeItem(instance: number | null): string {
  return instance === null ? "" : ` (item ${instance})`;
}
