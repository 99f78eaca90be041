/** What a run would decide for an occasion, without a run: nothing is recorded, and no task is done. Pure. */
import type { Snapshot } from "../context/snapshot.ts";
import type { Activity } from "../definition/activity.ts";
import { type Condition, checkCondition } from "../expression/expression.ts";
import type { Reads, Values } from "../expression/scope.ts";
import { describeWithHint, type Fault, TerminalError } from "../kernel/errors.ts";
import { decideRound, type RoundOptions } from "../run/decide.ts";
import type { TemplateDecision } from "../run/decision.ts";
import { at } from "../run/make-tasks.ts";
import { type DecidedRun, plainRound, type StandingTask, type TaskInstance } from "../run/task-instance.ts";
import { judgeOccasion, type Occasion, type Placed } from "./occasion.ts";
import { REHEARSED_ID, valuesOf } from "./values.ts";

/** What is known without asking anybody. */
export interface Known {
  /** By the names of sources; a name that is not here is not known. */
  context: Snapshot["values"];
  /** How a task ended, or is taken to end; undefined: it stays open. Absent: all of them do. */
  endOf?: ((key: string, instance: number | null) => TaskEnd | undefined) | undefined;
}

export type TaskEnd = Pick<StandingTask, "status" | "result" | "error">;

export type Rehearsed =
  /** `detail`: why, in words, with the values that decided it. */
  | { would: "skip"; reason: string; detail: string; when?: Condition }
  | ({
      would: "run";
      when?: Condition;
      templates: readonly TemplateDecision[];
      tasks: readonly RehearsedTask[];
    } & Placed)
  /** The run would be made, and fail before it has tasks. */
  | { would: "fail"; reason: string; detail: string; faults: readonly Fault[]; when?: Condition }
  /** What it would decide depends on what is not known: the values of these context sources. */
  | { would: "depend"; on: readonly string[] };

export interface RehearsedTask extends TaskInstance {
  /** Whether it could be done at once; else it waits for templates that are not over. */
  released: boolean;
}

/** @throws only what is no TerminalError: a definition that cannot decide is an answer */
export async function rehearse(
  activity: Activity,
  occasion: Occasion,
  known: Known,
  options: RoundOptions,
): Promise<Rehearsed> {
  const verdict = judgeOccasion(occasion, activity);
  if (verdict.do === "run") return decide(activity, occasion, known, options, verdict);
  return { would: "skip", reason: verdict.reason, detail: verdict.detail };
}

/** As `rehearse`, of an occasion that is known to make a run, at once or later. */
export async function decide(
  activity: Activity,
  occasion: Occasion,
  { context, endOf }: Known,
  options: RoundOptions,
  { placed }: Placed = {},
): Promise<Rehearsed> {
  const { event } = occasion;
  const run = { run_id: occasion.run?.run_id ?? REHEARSED_ID, kind: event.kind, key: event.key };
  if (activity.isPlain) {
    const { templates, instances } = plainRound(run, activity);
    const tasks = instances.map((task) => ({ ...task, released: true }));
    return { would: "run", templates, tasks, ...(placed && { placed }) };
  }
  let when: Condition | undefined;
  try {
    const values: Values = { ...valuesOf(occasion, activity), context };
    const unknown = activity.context.map(({ name }) => name).filter((name) => !Object.hasOwn(context, name));
    if (activity.when !== undefined) {
      const on = findReads([activity.when], unknown);
      if (on.length > 0) return { would: "depend", on };
      const own = activity.when;
      when = at("/when", () => checkCondition(own, values));
      if (!when.holds) return { would: "skip", reason: "condition", detail: when.explanation, when };
    }
    const rules = activity.tasks.flatMap((task) => [task.when, task.for_each, task.params]);
    const on = findReads(rules, unknown);
    if (on.length > 0) return { would: "depend", on };
    const decided = await decideRounds(run, { ...activity, when: undefined }, { values, endOf }, options);
    return { would: "run", ...(when && { when }), ...decided, ...(placed && { placed }) };
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    const detail = describeWithHint(error);
    return { would: "fail", reason: error.code, detail, faults: [faultOf(error)], ...(when && { when }) };
  }
}

/** Of the names of context sources, those that any of the rules reads. */
function findReads(rules: readonly ({ reads: Reads } | undefined)[], names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const read = new Set<string>();
  for (const rule of rules) {
    const found = rule?.reads.names("context") ?? new Set();
    // The whole of `context` is read.
    const all = rule?.reads.roots.has("context") && found.size === 0 ? names : found;
    for (const name of all) read.add(name);
  }
  return names.filter((name) => read.has(name));
}

/** Round by round, as a run whose tasks end as `endOf` says, until nothing is added. */
async function decideRounds(
  run: DecidedRun,
  activity: Activity,
  { values, endOf }: { values: Values } & Pick<Known, "endOf">,
  options: RoundOptions,
): Promise<{ templates: readonly TemplateDecision[]; tasks: RehearsedTask[] }> {
  const instances: TaskInstance[] = [];
  let standing: StandingTask[] = [];
  let templates: readonly TemplateDecision[] | undefined;
  for (;;) {
    const round = await decideRound(run, activity, { decided: templates, tasks: standing, values }, options);
    if ("skipped" in round) throw new Error("the definition's own condition was asked before");
    instances.push(...round.instances);
    const { released } = round;
    const next = instances.map(({ key, instance }): StandingTask => {
      return { key, instance, status: "pending", ...(released.has(key) && endOf?.(key, instance)) };
    });
    if (endOf === undefined || Bun.deepEquals([round.templates, next], [templates, standing])) {
      const made = round.templates.filter(({ outcome }) => outcome === "made");
      const inOrder = made.flatMap((template) => instances.filter(({ key }) => key === template.key));
      return {
        templates: round.templates,
        tasks: inOrder.map((task) => ({ ...task, released: released.has(task.key) })),
      };
    }
    templates = round.templates;
    standing = next;
  }
}

/** A message begins with the place in the definition, and the item there. */
function faultOf({ message }: Error): Fault {
  const [, path, item, rest] = /^(\/[^\s:]*)(?: \((item \d+)\))?:? ([\s\S]*)$/.exec(message) ?? [];
  if (path === undefined || rest === undefined) return { path: "/", message };
  return { path, message: item === undefined ? rest : `${item}: ${rest}` };
}
