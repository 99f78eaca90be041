/** What a reader of the ledger sees of an event, in the JSON form that REST answers. */
import { type Static, Type } from "@sinclair/typebox";
import { ACTIVITY_OUTCOMES, EVENT_OUTCOMES, SETTLEMENTS } from "../event/outcome.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { RUN_STATUSES } from "../run/run.ts";

const Time = Type.String({ format: "date-time" });

export const EventOutcomeView = Type.Object(
  {
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    outcome: oneOf(ACTIVITY_OUTCOMES),
    reason: Nullable(Type.String()),
    run_id: Nullable(Type.String({ format: "uuid" })),
  },
  { title: "EventActivityOutcome" },
);

const summaryFields = {
  row_id: Type.String({ format: "uuid", description: "Begins with the time of its record; the key of lists." }),
  event_id: Type.String(),
  outcome: oneOf(EVENT_OUTCOMES, {
    description:
      "`received`: it owes runs, not all of them are started yet. `unmatched`: no definition waits for its type. " +
      "`dispatched`: each definition that waits for its type has its outcome, and every run that is owed is started. " +
      "`dead_lettered`: it is kept, and reaches nothing.",
  }),
  reason: Nullable(Type.String({ description: "Of a dead letter, also after it was replayed under its own id." })),
  detail: Nullable(Type.String()),
  type: Nullable(Type.String()),
  source: Nullable(Type.String()),
  subject: Nullable(Type.String()),
  occurred_at: Nullable(Type.String()),
  trace_id: Type.String(),
  carried_id: Nullable(
    Type.String({ description: "Of a dead letter under an id of actcore's: the event id that its message carries." }),
  ),
  received_at: Time,
  settled_as: Nullable(oneOf(SETTLEMENTS, { description: "Of a dead letter: what somebody did about it." })),
  settled_at: Nullable(Time),
  settled_by: Nullable(Type.String()),
  replayed_as: Nullable(
    Type.String({ description: "Of a dead letter that was replayed: the id of the event that it became." }),
  ),
};

/** As lists show it: without its payload. */
export const EventSummary = Type.Object(summaryFields, { title: "EventSummary" });

/** Enough to see what a sender does wrong; every dead letter stands in the list of events. */
export const MAX_REFUSED_SHOWN = 20;

export const RefusedView = Type.Object(
  {
    event_id: Type.String({ description: "Of the dead letter." }),
    reason: Nullable(Type.String()),
    detail: Nullable(Type.String()),
    received_at: Time,
  },
  { title: "RefusedMessage" },
);

/** `GET /runs?trigger=replay` lists all of them. */
export const MAX_REPLAYS_SHOWN = 20;

const ReplayView = Type.Object(
  {
    run_id: Type.String({ format: "uuid" }),
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    status: oneOf(RUN_STATUSES),
    fired_at: Time,
  },
  { title: "EventReplayRun" },
);

export const EventView = Type.Object(
  {
    ...summaryFields,
    attributes: Nullable(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Integer(), Type.Boolean()]), {
        description: "Of a CloudEvent: its extensions, `datacontenttype` and `dataschema`.",
      }),
    ),
    payload: Type.Unknown(),
    raw_base64: Nullable(
      Type.String({
        description: "The message's bytes, of a dead letter; of a CloudEvent in binary mode, in structured mode.",
      }),
    ),
    activities: Type.Array(EventOutcomeView, { description: "One for each activity that the event's type reached." }),
    replays: Type.Array(ReplayView, {
      description: `Runs that somebody had made of it again. Newest first, at most ${MAX_REPLAYS_SHOWN}.`,
    }),
    refused: Type.Array(RefusedView, {
      description:
        "Other messages that carry this id, kept as dead letters: they say something else (`event_differs`), or are no " +
        `envelopes. Newest first, at most ${MAX_REFUSED_SHOWN}.`,
    }),
  },
  { title: "Event" },
);

export type EventSummary = Static<typeof EventSummary>;
export type EventView = Static<typeof EventView>;
