/** What came of an event, for one activity or for all that it reached: the answer, and the facts that it follows from. */
import { type Static, Type } from "@sinclair/typebox";
import type { EventEnvelope } from "../event/envelope.ts";
import { ACTIVITY_OUTCOMES, EVENT_OUTCOMES } from "../event/outcome.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { EventSummary, RefusedView } from "./event-view.ts";
import { type ActivityHistory, ExplainedActivity } from "./explained-activity.ts";
import { DuplicateOf, ExplainedWindow } from "./explained-flow.ts";
import { ExplainedRun } from "./explained-run.ts";
import { ListenedType } from "./nearest-type.ts";
import { WaitsFor } from "./waiting-view.ts";

/** Activities that an event reached are told of one by one up to so many. */
export const MAX_REACHED_SHOWN = 50;

const EventFields = Type.Pick(
  EventSummary,
  [
    ...(["event_id", "outcome", "reason", "detail", "type", "source", "subject", "received_at"] as const),
    ...(["carried_id", "settled_as", "settled_at", "settled_by", "replayed_as"] as const),
  ],
  { title: "EventFields" },
);
const ExplainedEvent = Type.Composite(
  [
    EventFields,
    Type.Object({
      refused: Type.Array(RefusedView, { description: "Messages that carried its id and are kept as dead letters." }),
    }),
  ],
  { title: "ExplainedEvent" },
);

const FilterFindingView = Type.Object(
  {
    path: Type.String({ description: "As the definition writes it." }),
    wanted: Type.String({ description: "As JSON, its first 80 characters." }),
    actual: Nullable(Type.String({ description: "The same of the payload; null: there is nothing." })),
    holds: Type.Boolean(),
  },
  { title: "FilterFinding" },
);

const TriggerFindings = Type.Object(
  {
    version: Type.Integer({ description: "Of the definition: the one that decided." }),
    filters: Type.Array(FilterFindingView),
    condition: Nullable(
      Type.Object({
        expression: Type.String(),
        holds: Nullable(Type.Boolean(), { description: "Null: it could not be evaluated." }),
        explanation: Type.String({ description: "With the values that it read, or the error." }),
      }),
      { description: "Null: there is none, or a filter did not hold, so it was not asked." },
    ),
  },
  { title: "TriggerFindings" },
);
export type TriggerFindings = Static<typeof TriggerFindings>;

const ReachedView = Type.Object(
  {
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    outcome: oneOf(ACTIVITY_OUTCOMES),
    summary: Type.String(),
  },
  { title: "ReachedActivity" },
);

/** Besides what the ledger says of an event, and of an activity that it reached. */
export const NOT_REACHED = [
  "unknown",
  "not_kept",
  "not_published",
  "other_type",
  "no_events",
  "not_there",
  "brought_for_one",
  "not_reached",
] as const;

export const EventExplanation = Type.Object(
  {
    about: Type.Literal("event"),
    summary: Type.String({ description: "One sentence: what came of it, why, and what can be done." }),
    outcome: oneOf([...EVENT_OUTCOMES, ...ACTIVITY_OUTCOMES, ...NOT_REACHED], {
      description:
        "With an activity, what came of the event for it, else what came of the event. `unknown`: no event of the id is recorded. " +
        "`not_kept`: it was recorded longer ago than events are kept. `not_published`: actcore made it, and it is not in the stream. " +
        "`other_type`: the activity waited for another type. `no_events`: it waited for due times. `not_there`: it did not exist " +
        "yet, or was deleted. `brought_for_one`: somebody brought the event for one activity alone. `not_reached`: its type fits, " +
        "and the event is recorded without it.",
    }),
    event: Nullable(ExplainedEvent),
    activity: Nullable(ExplainedActivity),
    trigger: Nullable(TriggerFindings, {
      description:
        "What the trigger asked and found, of an event that did not pass it. Null where the version that decided is not known.",
    }),
    run: Nullable(ExplainedRun),
    repeated_by: Type.Array(ExplainedRun, {
      description:
        "Runs that somebody had made of it since: a replay of the event, a rerun of its run. The newest first.",
    }),
    duplicate_of: Nullable(DuplicateOf, { description: "Null too where another event has the key by now." }),
    waits_for: Nullable(WaitsFor, { description: "Of a run that waits; null: it is just about to begin." }),
    window: Nullable(ExplainedWindow, { description: "The window that gathered it, open or closed." }),
    nearest: Nullable(ListenedType, {
      description: "Of an unmatched event: the nearest type that an activity waits for.",
    }),
    near_ids: Type.Array(Type.String(), {
      description: "Of an unknown event: ids of recorded ones that look like it.",
    }),
    activities: Type.Array(ReachedView, {
      description: `Without an activity: each that it reached, at most ${MAX_REACHED_SHOWN}.`,
    }),
    reached: Type.Object(
      Object.fromEntries(ACTIVITY_OUTCOMES.map((outcome) => [outcome, Type.Optional(Type.Integer())])),
      {
        description:
          "How many activities it reached, by what came of it; an outcome that none has is left out. Empty with an activity.",
      },
    ),
  },
  { title: "EventExplanation" },
);
export type EventExplanation = Static<typeof EventExplanation>;

/** What an event did to an activity of its type, as it is recorded. */
export interface Reached {
  activity_id: string;
  activity_name: string;
  outcome: (typeof ACTIVITY_OUTCOMES)[number];
  reason: string | null;
  run_id: string | null;
  /** Undefined where it has none, or it is not kept any more. */
  run: ExplainedRun | undefined;
  /** Whether a workflow has claimed its occurrence; undefined where that is not kept, or there is none. */
  claimed: boolean | undefined;
}

/** An event as it is recorded. */
export interface EventRow extends Static<typeof ExplainedEvent> {
  /** Undefined for a dead letter without one. */
  envelope: EventEnvelope | undefined;
  /** When it was matched with definitions: later than it was received, where it was replayed as a dead letter. */
  matchedAt: Date;
  /** Only a foreign start has brought it: the stream's copy would reach the other activities. */
  provisional: boolean;
}

export interface EventFacts {
  /** As it is asked about. */
  event_id: string;
  event: EventRow | undefined;
  /** When an event of the id was recorded of which only the id is kept. */
  recordedAt: Date | undefined;
  /** An event of actcore's own that is not in the stream. */
  unpublished: { created_at: Date; cut_reason: string | null } | undefined;
  /** Of an event that is not recorded: the ids of recorded ones next to it, in their order. */
  idsBeside: readonly string[];
  counts: Readonly<Partial<Record<Reached["outcome"], number>>>;
  /** Those that it reached; only the one that is asked about, where one is. */
  reached: readonly Reached[];
  /** Of the activity that is asked about. */
  history: ActivityHistory | undefined;
  /** Of the activity that is asked about: the event that has its dedupe key, and the window that gathered the event. */
  duplicateOf: DuplicateOf | undefined;
  window: ExplainedWindow | undefined;
  /** What its run waits for, where it does. */
  waitsFor: WaitsFor | undefined;
  /** The run that the activity made of the event, where that is not recorded with the event. */
  run: ExplainedRun | undefined;
  /** Runs that somebody had the activity make of the event since, the newest first. */
  repeats: readonly ExplainedRun[];
  /** What activities wait for now; empty where it does not matter. */
  listened: readonly ListenedType[];
}
