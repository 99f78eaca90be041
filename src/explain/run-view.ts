/** What a reader of the ledger sees of a run: what started it, what it looked at, what it decided and why, and its tasks. */
import { type Static, Type } from "@sinclair/typebox";
import type { SourceReport } from "../context/snapshot.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { RERUN_FROM, type RunDecisions, TEMPLATE_OUTCOMES } from "../run/decision.ts";
import { RUN_STATUSES, RUN_TRIGGERS } from "../run/run.ts";
import { TASK_STATUSES, type TaskStatus } from "../task/task.ts";
import { RUN_EXAMPLE } from "./run-example.ts";
import { TaskSummary } from "./task-view.ts";

const Time = Type.String({ format: "date-time" });

const summaryFields = {
  run_id: Type.String({ format: "uuid" }),
  activity_id: Type.String({ format: "uuid" }),
  activity_name: Type.String(),
  trigger: oneOf(RUN_TRIGGERS),
  status: oneOf(RUN_STATUSES),
  reason: Nullable(Type.String()),
  detail: Nullable(Type.String({ description: "Why it was skipped, in words." })),
  scheduled_for: Nullable(Time),
  fired_at: Time,
  finished_at: Nullable(Time),
  duration_ms: Nullable(Type.Integer({ description: "From fired_at to finished_at." })),
  event_id: Nullable(Type.String()),
  trace_id: Type.String(),
  workflow_id: Type.String(),
  version_used: Type.Integer(),
  tasks_spawned: Nullable(Type.Integer({ description: "Null until the run has decided." })),
  error: Nullable(Type.String()),
  rerun_of: Nullable(Type.String({ format: "uuid" })),
  reopened: Type.Integer({ description: "How often it was opened again, to retry a task of it." }),
  reopened_at: Nullable(Time),
  rerun_from: Nullable(oneOf(RERUN_FROM, { description: "What a rerun does again: null in any other run." })),
};

/** As lists show it: without its context, decisions and tasks. */
export const RunSummary = Type.Object(summaryFields, { title: "RunSummary" });

export const SourceView = Type.Object(
  {
    name: Type.String(),
    type: Type.String(),
    status: oneOf(["ok", "failed"]),
    duration_ms: Type.Integer(),
    attempts: Type.Integer({ description: "All tries, the first included." }),
    bytes: Type.Integer({ description: "Of its value as JSON." }),
    code: Nullable(Type.String()),
    error: Nullable(Type.String()),
  },
  { title: "ContextSourceReport" },
);

export const TemplateView = Type.Object(
  {
    key: Type.String(),
    outcome: oneOf(TEMPLATE_OUTCOMES, {
      description:
        "`made`: its tasks are recorded. `skipped`: it makes none. `waiting`: it reads results that are not there yet. " +
        "`not_reached`: the run ended before it was decided.",
    }),
    count: Nullable(Type.Integer({ description: "How many tasks were made." })),
    left_out: Nullable(Type.Integer({ description: "How many items of a `for_each` its `when` left out." })),
    cause: Nullable(
      oneOf(["condition", "dependency"], {
        description: "Of a skipped one: its own `when`, or how a template that it depends on ended.",
      }),
    ),
    reason: Nullable(Type.String({ description: "In words, with the values that decided it." })),
    tasks_by_status: Type.Object(
      Object.fromEntries(TASK_STATUSES.map((status) => [status, Type.Optional(Type.Integer())])),
      { description: "How many of its tasks have which status; one that none has is left out." },
    ),
  },
  { title: "TemplateDecision" },
);

const OutcomeEventView = Type.Object(
  {
    event_id: Type.String(),
    published_at: Nullable(Time),
    cut_reason: Nullable(
      Type.String({
        description: "Why it is kept and not published: `chain_too_long`, where own events may go in a circle.",
      }),
    ),
  },
  { title: "OutcomeEvent" },
);

/** How many tasks of a run are read with it. */
export const MAX_TASKS_SHOWN = 100;

export const RunView = Type.Object(
  {
    ...summaryFields,
    event_ids: Type.Array(Type.String(), {
      description:
        "The events that it is about, in the order in which they were accepted: several where they were gathered.",
    }),
    context_snapshot: Type.Unknown({ description: "What each context source answered, by its name." }),
    context: Type.Array(SourceView, { description: "How each context source did." }),
    templates: Nullable(Type.Array(TemplateView), {
      description:
        "What became of each task template, in the order of the definition. Null until the run has decided, and of a run " +
        "of a release that recorded none.",
    }),
    tasks: Type.Array(Type.Omit(TaskSummary, ["run_id", "activity_id", "activity_name"], { title: "TaskOfRun" }), {
      description:
        `In the order of the templates, at most ${MAX_TASKS_SHOWN}: of more, those that did not succeed come first. ` +
        "`/tasks?run_id=` lists all of them.",
    }),
    tasks_not_shown: Type.Integer(),
    outcome_event: Nullable(OutcomeEventView, {
      description: "What was told of its end as an event of actcore's own; null where nothing was (`publish_outcome`).",
    }),
  },
  { title: "Run", examples: [RUN_EXAMPLE] },
);

export type RunSummary = Static<typeof RunSummary>;
export type RunView = Static<typeof RunView>;
type TaskOfRun = RunView["tasks"][number];

/** How many tasks of a template have a status. */
export interface TaskCount {
  key: string;
  status: TaskStatus;
  count: number;
}

/** A run as it is stored, with as many of its tasks as are shown. */
export interface RunFacts {
  summary: RunSummary;
  context_snapshot: unknown;
  context_sources: readonly SourceReport[] | null;
  decisions: RunDecisions | null;
  counts: readonly TaskCount[];
  tasks: readonly TaskOfRun[];
  /** The events of its window; null where it is about one event or none. */
  gathered: readonly string[] | null;
  outcome_event: RunView["outcome_event"];
}

export function describeRun({
  summary,
  context_snapshot,
  context_sources,
  decisions,
  counts,
  tasks,
  gathered,
  outcome_event,
}: RunFacts): RunView {
  const keys = decisions?.templates.map(({ key }) => key) ?? [];
  const placeOf = ({ key }: TaskOfRun) => keys.indexOf(key);
  return {
    ...summary,
    event_ids: gathered ? [...gathered] : [summary.event_id].filter((id) => id != null),
    context_snapshot,
    context: (context_sources ?? []).map((report) => ({ code: null, error: null, ...report })),
    templates: decisions && describeTemplates(decisions, counts, summary),
    tasks: tasks.toSorted(
      (a, b) => placeOf(a) - placeOf(b) || a.key.localeCompare(b.key) || (a.instance ?? 0) - (b.instance ?? 0),
    ),
    tasks_not_shown: counts.reduce((sum, { count }) => sum + count, 0) - tasks.length,
    outcome_event,
  };
}

function describeTemplates(
  { templates }: RunDecisions,
  counts: readonly TaskCount[],
  { status, reason, finished_at }: RunSummary,
) {
  const isOver = finished_at !== null;
  const ended = `the run ended (${reason === null ? status : `${status}: ${reason}`}) before it was decided`;
  return templates.map(({ key, outcome, count = null, left_out = null, cause = null, reason: why = null }) => ({
    key,
    // The close of a run ends its tasks, and does not write of templates that have none.
    ...(isOver && outcome === "waiting"
      ? { outcome: "not_reached" as const, count, left_out, cause, reason: ended }
      : { outcome, count, left_out, cause, reason: why }),
    tasks_by_status: Object.fromEntries(
      counts.filter((each) => each.key === key).map(({ status, count }) => [status, count]),
    ),
  }));
}
