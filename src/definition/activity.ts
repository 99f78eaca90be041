/**
 * An Activity: one version of a definition, compiled into what runs. Nothing after it reads a duration or an expression
 * of the definition again.
 */
import { type Calendar, compileCalendar } from "../calendar/calendar.ts";
import { parseDuration } from "../calendar/duration.ts";
import { compileChecked, type Expression } from "../expression/expression.ts";
import { createRecentlyUsed } from "../kernel/recently-used.ts";
import { compileFilters, type Filter } from "../match/filter.ts";
import { compileTypePattern, type TypePattern } from "../match/type-pattern.ts";
import type { TaskTemplate } from "../task/types.ts";
import type { DefinitionBody, EventTrigger } from "./schema.ts";

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
  tasks: readonly ActivityTask[];
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

/** A task template with its policy. */
export interface ActivityTask {
  /** Unique within the activity. */
  key: string;
  type: TaskTemplate["type"];
  params: TaskTemplate["params"];
  policy: TaskPolicy;
}

/** How often and how long a task is tried. Stored with each task. */
export interface TaskPolicy {
  /** Of one try. */
  timeout_ms: number;
  /** All tries, the first included. */
  max_attempts: number;
  initial_interval_ms: number;
  backoff_coefficient: number;
  max_interval_ms: number;
}

/** A version of a definition as it is stored. */
export interface ActivityRow extends Pick<Activity, "id" | "name" | "version" | "enabled" | "deleted" | "since"> {
  body: Pick<DefinitionBody, "trigger_config" | "task_templates">;
}

/** Compiles each version once, and keeps those that were used last. One per role, handed to whoever needs it. */
export interface ActivityCache {
  /** The version, or the newest that is known; undefined where it is not kept. */
  find(id: string, version?: number): Activity | undefined;
  /** Compiles what was read, unless it is kept already. */
  keep(row: ActivityRow): Activity;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RETRY = { max_attempts: 5, initial_interval: "1s", backoff_coefficient: 2, max_interval: "5m" };

export function compileActivity({ body, ...row }: ActivityRow): Activity {
  return { ...row, trigger: compileTrigger(body.trigger_config), tasks: body.task_templates.map(compileTask) };
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

function compileTask({ key, type, params, timeout, retry }: TaskTemplate): ActivityTask {
  const { max_attempts, initial_interval, backoff_coefficient, max_interval } = { ...DEFAULT_RETRY, ...retry };
  const policy = {
    timeout_ms: timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout),
    max_attempts,
    initial_interval_ms: parseDuration(initial_interval),
    backoff_coefficient,
    max_interval_ms: parseDuration(max_interval),
  };
  return { key, type, params, policy };
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
