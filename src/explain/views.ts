/** What a reader of the ledger sees: runs, tasks and events in the JSON form that REST answers. */
import { type Static, Type } from "@sinclair/typebox";
import { ACTIVITY_OUTCOMES, EVENT_OUTCOMES } from "../event/outcome.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { RERUN_FROM } from "../run/decision.ts";
import { RUN_STATUSES, RUN_TRIGGERS } from "../run/run.ts";
import { TASK_STATUSES } from "../task/task.ts";

const Time = Type.String({ format: "date-time" });

export const RunView = Type.Object(
  {
    run_id: Type.String({ format: "uuid" }),
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    trigger: oneOf(RUN_TRIGGERS),
    status: oneOf(RUN_STATUSES),
    reason: Nullable(Type.String()),
    scheduled_for: Nullable(Time),
    fired_at: Time,
    finished_at: Nullable(Time),
    event_id: Nullable(Type.String()),
    trace_id: Type.String(),
    workflow_id: Type.String(),
    version_used: Type.Integer(),
    context_snapshot: Type.Unknown(),
    tasks_spawned: Nullable(Type.Integer({ description: "Null until the run has decided." })),
    error: Nullable(Type.String()),
    detail: Nullable(Type.String({ description: "Why it was skipped, in words." })),
    rerun_of: Nullable(Type.String({ format: "uuid" })),
    rerun_from: Nullable(oneOf(RERUN_FROM, { description: "What a rerun does again: null in any other run." })),
  },
  { title: "Run" },
);

export const TaskView = Type.Object(
  {
    task_id: Type.String({ format: "uuid" }),
    idempotency_key: Type.String({
      format: "uuid",
      description: "What an http task sends as Idempotency-Key, the same at every try and on every ledger.",
    }),
    run_id: Type.String({ format: "uuid" }),
    activity_id: Type.String({ format: "uuid" }),
    key: Type.String(),
    instance: Nullable(
      Type.Integer({ description: "Which item of its template's `for_each` it is made for; the first one is 0." }),
    ),
    type: Type.String(),
    status: oneOf(TASK_STATUSES),
    params: Type.Unknown({
      description:
        "Of an http task without the values of its headers, its body and its query, unless the key may read definitions.",
    }),
    result: Type.Unknown(),
    attempts: Type.Integer(),
    error: Nullable(
      Type.Object({
        code: Type.String(),
        message: Type.String(),
        details: Type.Optional(Type.Unknown({ description: "What the outside said: the response of an http task." })),
      }),
    ),
    created_at: Time,
    started_at: Nullable(Time),
    finished_at: Nullable(Time),
    due_at: Nullable(Time),
    assignee: Nullable(Type.String()),
    taken_from: Nullable(
      Type.String({ format: "uuid", description: "The task of the repeated run whose result this one took over." }),
    ),
  },
  { title: "Task" },
);

const EventOutcomeView = Type.Object(
  {
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    outcome: oneOf(ACTIVITY_OUTCOMES),
    reason: Nullable(Type.String()),
    run_id: Nullable(Type.String({ format: "uuid" })),
  },
  { title: "EventActivityOutcome" },
);

const eventFields = {
  row_id: Type.String({ format: "uuid", description: "Begins with the time of its record; the key of lists." }),
  event_id: Type.String(),
  outcome: oneOf(EVENT_OUTCOMES, {
    description:
      "`received`: it owes runs, not all of them are started yet. `unmatched`: no definition waits for its type. " +
      "`dispatched`: each definition that waits for its type has its outcome, and every run that is owed is started. " +
      "`dead_lettered`: it is kept, and reaches nothing.",
  }),
  reason: Nullable(Type.String({ description: "Of a dead letter." })),
  detail: Nullable(Type.String()),
  type: Nullable(Type.String()),
  source: Nullable(Type.String()),
  subject: Nullable(Type.String()),
  occurred_at: Nullable(Type.String()),
  trace_id: Type.String(),
  payload: Type.Unknown(),
  carried_id: Nullable(
    Type.String({ description: "Of a dead letter under an id of actcore's: the event id that its message carries." }),
  ),
  received_at: Time,
};

export const EventSummary = Type.Object(eventFields, { title: "EventSummary" });

/** Enough to see what a sender does wrong; every dead letter stands in the list of events. */
export const MAX_REFUSED_SHOWN = 20;

const RefusedView = Type.Object(
  {
    event_id: Type.String({ description: "Of the dead letter." }),
    reason: Nullable(Type.String()),
    detail: Nullable(Type.String()),
    received_at: Time,
  },
  { title: "RefusedMessage" },
);

export const EventView = Type.Object(
  {
    ...eventFields,
    raw_base64: Nullable(Type.String({ description: "The message's bytes, of a dead letter." })),
    activities: Type.Array(EventOutcomeView, { description: "One for each activity that the event's type reached." }),
    refused: Type.Array(RefusedView, {
      description:
        "Other messages that carry this id, kept as dead letters: they say something else (`event_differs`), or are no " +
        `envelopes. Newest first, at most ${MAX_REFUSED_SHOWN}.`,
    }),
  },
  { title: "Event" },
);

export type RunView = Static<typeof RunView>;
export type TaskView = Static<typeof TaskView>;
export type EventSummary = Static<typeof EventSummary>;
export type EventView = Static<typeof EventView>;
