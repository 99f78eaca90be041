/**
 * An Activity: one version of a definition, compiled into what runs. Nothing after it reads a duration or an expression
 * of the definition again.
 */
import { type Calendar, compileCalendar } from "../calendar/calendar.ts";
import { parseDuration } from "../calendar/duration.ts";
import type { ContextSource } from "../context/source.ts";
import { compileSources } from "../context/sources.ts";
import { compileChecked, type Expression } from "../expression/expression.ts";
import { compileTemplate, type Template } from "../expression/template.ts";
import { createRecentlyUsed } from "../kernel/recently-used.ts";
import { compileFilters, type Filter } from "../match/filter.ts";
import { compileTypePattern, type TypePattern } from "../match/type-pattern.ts";
import type { TaskWorkflow } from "../task/task.ts";
import type { TaskType } from "../task/task-type.ts";
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT, type RunWhen } from "../task/template.ts";
import { TASK_TYPES, type TaskTemplate } from "../task/types.ts";
import { compileDedupe, compileFlow, type Dedupe, type Flow } from "./flow.ts";
import type { DefinitionBody, EventTrigger } from "./schema.ts";
import { templateScopes } from "./scopes.ts";
import { inOrder, keysBefore } from "./task-graph.ts";

export interface Activity {
  /** The definition's. */
  id: string;
  name: string;
  /** Of the definition; `id` and `version` name one content for ever. */
  version: number;
  /** As it counts: false where it is disabled, by its source or by an override, and where it is retired or deleted. */
  enabled: boolean;
  /** Whether this version is the definition's deletion. */
  deleted: boolean;
  /** When the version was written: it counts for what is due after it. */
  since: Date;
  trigger: EventMatcher | Schedule;
  /** What a run looks at before it decides. */
  context: readonly ContextSource[];
  /** False: the run is skipped. */
  when: Expression | undefined;
  /** How long a whole run may take; no limit when undefined. */
  timeout_ms: number | undefined;
  /** How many tasks of a run are done at once. */
  max_parallel: number;
  /** Whether its runs are decided and recorded, and nothing is done. */
  isShadow: boolean;
  /** Which events are one occasion; undefined: those of one id. */
  dedupe: Dedupe | undefined;
  /** What gathers its events, and what its runs wait for; undefined: each event runs at once. */
  flow: Flow | undefined;
  /** Each comes after those that it depends on. */
  tasks: readonly ActivityTask[];
  /** Whether every run has the same tasks, all of them at once: nothing is to be looked at, evaluated or waited for. */
  isPlain: boolean;
}

/** What an activity that runs on events waits for. */
export interface EventMatcher {
  type: "event";
  event_type: TypePattern;
  /** Each must hold. */
  filters: readonly Filter[];
  /** Must hold as well, of `event`. */
  when?: Expression;
}

/** When an activity runs that has due times. */
export interface Schedule {
  type: "schedule";
  readonly calendar: Calendar;
}

/** A task template with its policy and its rules. */
export interface ActivityTask {
  /** Unique within the activity. */
  key: string;
  /** Where it stands in the definition. */
  position: number;
  type: TaskTemplate["type"];
  params: Template;
  policy: TaskPolicy;
  /** Asked once, or with `for_each` of each item. */
  when: Expression | undefined;
  for_each: Expression | undefined;
  /** Keys of other templates. */
  depends_on: readonly string[];
  run_when: RunWhen;
  /** How many of its tasks are done at once; as many as the run does when undefined. */
  max_parallel: number | undefined;
}

/** How a task is done: how often and how long it is tried, and where. Stored with each task. */
export interface TaskPolicy {
  /** How long one try may take. */
  timeout_ms: number;
  /** All tries, the first included. */
  max_attempts: number;
  initial_interval_ms: number;
  backoff_coefficient: number;
  max_interval_ms: number;
  /** Set where the run may succeed although the task failed. */
  allow_failure?: true;
  /** The label of the workers that do it; any worker does when absent. */
  run_on?: string;
  /** The child workflow that does it; absent where a worker does. */
  workflow?: TaskWorkflow;
}

/** A version of a definition as it is stored. */
export interface ActivityRow extends Pick<Activity, "id" | "name" | "version" | "enabled" | "deleted" | "since"> {
  body: Pick<DefinitionBody, "trigger_config" | "task_templates"> & Partial<DefinitionBody>;
}

/** Compiles each version once, and keeps those that were used last. One per role, handed to whoever needs it. */
export interface ActivityCache {
  /** The version, or the newest that is known; undefined where it is not kept. */
  find(id: string, version?: number): Activity | undefined;
  /** Compiles what was read, unless it is kept already. */
  keep(row: ActivityRow): Activity;
}

const DEFAULT_RETRY = { initial_interval: "1s", backoff_coefficient: 2, max_interval: "5m" };

const DEFAULT_MAX_PARALLEL = 50;

export function compileActivity({ body, ...row }: ActivityRow): Activity {
  const {
    context_sources = [],
    when,
    timeout,
    max_parallel = DEFAULT_MAX_PARALLEL,
    shadow = false,
    dedupe_key_strategy = "event_id",
    flow,
    task_templates,
  } = body;
  const context = compileSources(context_sources);
  const sources = context.map(({ name }) => name);
  const tasks = task_templates.map((template, position) => compileTask(template, position, sources, task_templates));
  return {
    ...row,
    trigger: compileTrigger(body.trigger_config),
    context,
    when: compileCheckedIf(when),
    timeout_ms: timeout === undefined ? undefined : parseDuration(timeout),
    max_parallel,
    isShadow: shadow,
    dedupe: compileDedupe(dedupe_key_strategy),
    flow: compileFlow(flow),
    tasks: inOrder(tasks),
    isPlain:
      !shadow &&
      context.length === 0 &&
      when === undefined &&
      timeout === undefined &&
      tasks.length <= max_parallel &&
      tasks.every(isPlainTask),
  };
}

function isPlainTask({ params, when, for_each, depends_on, max_parallel }: ActivityTask): boolean {
  return (
    params.isLiteral &&
    when === undefined &&
    for_each === undefined &&
    max_parallel === undefined &&
    depends_on.length === 0
  );
}

export function compileTrigger(config: EventTrigger): EventMatcher;
export function compileTrigger(config: DefinitionBody["trigger_config"]): Activity["trigger"];
export function compileTrigger(config: DefinitionBody["trigger_config"]): Activity["trigger"] {
  if (config.trigger_type === "event")
    return {
      type: "event",
      event_type: compileTypePattern(config.event_type),
      filters: compileFilters(config.filters),
      ...(config.when !== undefined && { when: compileChecked(config.when) }),
    };
  let calendar: Calendar | undefined;
  return {
    type: "schedule",
    // Compiled when it is asked for: what is run by hand needs none, also where its time zone is not known any more.
    get calendar() {
      calendar ??= compileCalendar(config);
      return calendar;
    },
  };
}

function compileTask(
  template: TaskTemplate,
  position: number,
  sources: readonly string[],
  all: readonly TaskTemplate[],
): ActivityTask {
  const { key, type, params, depends_on = [], run_when = "all_succeeded", max_parallel } = template;
  const before = depends_on.length === 0 ? [] : [...keysBefore(all, key)];
  const scopes = templateScopes(sources, before, { forEach: template.for_each !== undefined });
  return {
    ...{ key, position, type, policy: compilePolicy(template), depends_on, run_when, max_parallel },
    params: compileTemplate(params, scopes.params),
    when: compileCheckedIf(template.when),
    for_each: compileCheckedIf(template.for_each),
  };
}

function compileCheckedIf(text: string | undefined): Expression | undefined {
  return text === undefined ? undefined : compileChecked(text);
}

function compilePolicy({ type, timeout, retry, allow_failure = false, run_on }: TaskTemplate): TaskPolicy {
  // A definition of another release may have a type that this one does not know.
  const { defaults, workflow }: Partial<TaskType> = TASK_TYPES[type] ?? {};
  const { initial_interval, backoff_coefficient, max_interval, ...tries } = { ...DEFAULT_RETRY, ...retry };
  return {
    timeout_ms: parseDuration(timeout ?? defaults?.timeout ?? DEFAULT_TIMEOUT),
    max_attempts: tries.max_attempts ?? defaults?.max_attempts ?? DEFAULT_MAX_ATTEMPTS,
    initial_interval_ms: parseDuration(initial_interval),
    backoff_coefficient,
    max_interval_ms: parseDuration(max_interval),
    ...(allow_failure && { allow_failure }),
    ...(run_on !== undefined && { run_on }),
    ...(workflow !== undefined && { workflow }),
  };
}

/** Keeps at most `max` entries; each activity has one for its newest version, and one for each version that was used. */
export function createActivityCache(max = 4_000): ActivityCache {
  const kept = createRecentlyUsed<Activity>(max);
  const find = (id: string, version?: number) => kept.get(version === undefined ? id : `${id} ${version}`);

  return {
    find,
    keep(row) {
      const activity = find(row.id, row.version) ?? kept.put(`${row.id} ${row.version}`, compileActivity(row));
      const newest = find(row.id);
      if (newest === undefined || newest.version < row.version) kept.put(row.id, activity);
      return activity;
    },
  };
}
