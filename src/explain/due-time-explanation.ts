/** What became of a due time, or why there is none: the answer, and the facts that it follows from. */
import { type Static, Type } from "@sinclair/typebox";
import type { Calendar } from "../calendar/calendar.ts";
import type { DueTime } from "../calendar/due-times.ts";
import { NOT_DUE_FIELDS } from "../calendar/not-due.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import type { Absence, Segment } from "../occurrence/due-facts.ts";
import { DUE_OUTCOMES, DueTimeView } from "./due-time-views.ts";
import { EventSummary } from "./event-view.ts";
import { type ActivityHistory, ExplainedActivity } from "./explained-activity.ts";
import { ExplainedRun } from "./explained-run.ts";
import { WaitsFor } from "./waiting-view.ts";

const Time = Type.String({ format: "date-time" });

const ExplainedDueTime = Type.Object(
  { ...DueTimeView.properties, local: Type.String({ description: "As the clocks of the trigger's zone show it." }) },
  { title: "ExplainedDueTime" },
);
export type ExplainedDueTime = Static<typeof ExplainedDueTime>;

const Policy = Type.Object(
  {
    misfire_policy: oneOf(["skip", "catchup", "compress"]),
    misfire_grace_ms: Type.Integer(),
    catchup_window_ms: Nullable(Type.Integer(), { description: "Null: there is no limit." }),
    jitter_ms: Type.Integer(),
    timezone: Type.String(),
    paused_seen_at: Nullable(Time, {
      description:
        "When somebody's pause of the schedule in Temporal was seen last; what was due until then does not run.",
    }),
  },
  { title: "ExplainedPolicy" },
);

const EventAround = Type.Pick(EventSummary, ["event_id", "type", "outcome", "received_at"], { title: "EventAround" });

export const DueTimeExplanation = Type.Object(
  {
    about: Type.Literal("due_time"),
    summary: Type.String({ description: "One sentence: what became of it, why, and what can be done." }),
    outcome: oneOf([...DUE_OUTCOMES, "not_due", "no_due_times", "not_there"], {
      description:
        "`not_due`: the activity has due times, and this is none. `no_due_times`: it waited for events then. " +
        "`not_there`: it did not exist yet, or was deleted.",
    }),
    at: Time,
    activity: ExplainedActivity,
    due_time: Nullable(ExplainedDueTime, { description: "Null where nothing is due then." }),
    not_due: Nullable(Type.Object({ field: oneOf(NOT_DUE_FIELDS), explanation: Type.String() }, { title: "NotDue" })),
    previous: Nullable(ExplainedDueTime, { description: "The due time before." }),
    next: Nullable(ExplainedDueTime, { description: "The next due time that is to run." }),
    run: Nullable(ExplainedRun, { description: "Its run; of a compressed one, the run that stands for it." }),
    repeated_by: Type.Array(ExplainedRun, { description: "Reruns of its run, the newest first." }),
    holder: Nullable(ExplainedRun, { description: "The run that was going when it was due." }),
    waits_for: Nullable(WaitsFor, { description: "Of a run that waits; null: it is just about to begin." }),
    policy: Nullable(Policy),
    events: Type.Array(EventAround, {
      description:
        "Of an activity that waited for events: the last ones of its types before, and the first ones after.",
    }),
  },
  { title: "DueTimeExplanation" },
);
export type DueTimeExplanation = Static<typeof DueTimeExplanation>;
export type EventAround = Static<typeof EventAround>;

/** The due times next to the one that is asked about. */
export interface DueAround {
  /** What the definition said then; undefined where it was not there. */
  segment: Segment | undefined;
  /** What is asked about, where it is a due time. */
  due: DueTime | undefined;
  /** The last one before, whether or not it was to run. */
  previous: Date | undefined;
  /** The next one that is to run. */
  next: Date | undefined;
}

/** What is known of the due times around `at`. */
export interface DueTimeFacts {
  history: ActivityHistory;
  at: Date;
  around: DueAround;
  /** Of those around, in order, and of a run at `at` that no version names. */
  views: readonly DueTimeView[];
  run: ExplainedRun | undefined;
  repeats: readonly ExplainedRun[];
  /** What its run waits for, where it does. */
  waitsFor: WaitsFor | undefined;
  holder: ExplainedRun | undefined;
  /** The run of a due time whose record is not kept any more. */
  sweptRun: string | undefined;
  seenPausedAt: Date | null;
  /** The last time in which no worker accounted for due times; without an end where it goes on. */
  absence: (Pick<Absence, "from"> & Partial<Absence>) | undefined;
  events: readonly EventAround[];
}

/** The policy of a calendar, as the answer has it. */
export function viewPolicy({ misfire, zone }: Calendar, seenPausedAt: Date | null): Static<typeof Policy> {
  const { policy, graceMs, catchupWindowMs, jitterMs } = misfire;
  return {
    misfire_policy: policy,
    misfire_grace_ms: graceMs,
    catchup_window_ms: Number.isFinite(catchupWindowMs) ? catchupWindowMs : null,
    jitter_ms: jitterMs,
    timezone: zone.name,
    paused_seen_at: seenPausedAt?.toISOString() ?? null,
  };
}
