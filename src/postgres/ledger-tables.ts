/**
 * What happened: due times, events, occurrences, runs, and who changed what. Their tasks are in task-tables.ts.
 *
 * Ids of runs and tasks begin with their time (stable-id.ts): their order is the order of the lists, and they are the key
 * by which the tables can be partitioned.
 */
import { sql } from "drizzle-orm";
import { bigint, boolean, customType, index, integer, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { SkipReason } from "../calendar/misfire.ts";
import type { SourceReport } from "../context/snapshot.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import type { ActivityOutcome, EventOutcome, Settlement } from "../event/outcome.ts";
import type { OccurrenceKind } from "../occurrence/occurrence.ts";
import type { RerunFrom, RunDecisions } from "../run/decision.ts";
import type { RunStatus, RunTrigger } from "../run/run.ts";
import { definitions } from "./definition-tables.ts";
import { actcore, endedBadly, json, time } from "./schema.ts";

const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });

/** How far the due times of a definition are accounted for (schedule/reconciler.ts). */
export const dueProgress = actcore.table("due_progress", {
  definition_id: uuid()
    .primaryKey()
    .references(() => definitions.id),
  settled_until: time("settled_until").notNull(),
  /** Of a one-shot: its due time is accounted for. */
  done_at: time("done_at"),
  /** When somebody's pause in the engine was last seen. */
  seen_paused_at: time("seen_paused_at"),
});

/** One row: when the due times of all definitions were last looked at to the end, and when last nobody did so for a while. */
export const dueWatch = actcore.table("due_watch", {
  only: boolean().primaryKey().default(true),
  round_ended_at: time("round_ended_at").notNull(),
  away_from: time("away_from"),
  away_until: time("away_until"),
});

/** Due times that did not run, and why: each row is a stretch of `count` consecutive ones (I3). */
export const dueSkips = actcore.table(
  "due_skips",
  {
    activity_id: uuid().notNull(),
    /** The first and the last due time of the stretch. */
    first_due: time("first_due").notNull(),
    last_due: time("last_due").notNull(),
    count: integer().notNull(),
    reason: text().$type<SkipReason>().notNull(),
    /** The run that a compressed stretch went into. */
    into_run: uuid(),
    recorded_at: time("recorded_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.activity_id, table.first_due, table.reason] }),
    index("due_skips_recorded").on(table.recorded_at),
  ],
);

/** Guards that an event is recorded once: whoever inserts the id has the event. A key is kept longer than its event's row. */
export const eventKeys = actcore.table(
  "event_keys",
  {
    event_id: text().primaryKey(),
    row_id: uuid().notNull(),
    /** Taken by a foreign start, which reached one activity only: the stream's copy of the event takes it over. */
    provisional: boolean().notNull().default(false),
  },
  (table) => [index("event_keys_row").on(table.row_id)],
);

export const events = actcore.table(
  "events",
  {
    row_id: uuid().primaryKey(),
    event_id: text().notNull(),
    outcome: text().$type<EventOutcome>().notNull(),
    /** Why it is dead-lettered. */
    reason: text(),
    detail: text(),
    type: text(),
    source: text(),
    subject: text(),
    occurred_at: text(),
    trace_id: text().notNull(),
    /** Those that the envelope has no field for; null where there are none. */
    attributes: json().$type<NonNullable<EventEnvelope["attributes"]>>(),
    payload: json(),
    /** The message's bytes, of a dead letter only; of a CloudEvent in binary mode, in structured mode (event/cloud-event.ts). */
    raw: bytea(),
    /** Of a dead letter under an id of ours: the event id that its message carries. */
    carried_id: text(),
    received_at: time("received_at").notNull().defaultNow(),
    /** Of a dead letter that somebody has seen to: what was done, when and by whom, and under which event id it was replayed. */
    settled_as: text().$type<Settlement>(),
    settled_at: time("settled_at"),
    settled_by: text(),
    replayed_as: text(),
  },
  (table) => [
    index("events_type").on(table.type, table.row_id),
    index("events_notable").on(table.outcome, table.row_id).where(sql`outcome <> 'dispatched'`),
    // A dead letter keeps its reason when it has become an event.
    index("events_dead_letters").on(table.row_id).where(sql`reason is not null`),
    index("events_carried").on(table.carried_id, table.row_id).where(sql`carried_id is not null`),
    // Chosen by the statistics at the migration's end: types and outcomes go together.
    index("events_type_notable").on(table.type, table.outcome, table.row_id).where(sql`outcome <> 'dispatched'`),
  ],
);

/** What an event did to each activity that its type reached (I3). */
export const eventOutcomes = actcore.table(
  "event_outcomes",
  {
    row_id: uuid().notNull(),
    activity_id: uuid().notNull(),
    activity_name: text().notNull(),
    outcome: text().$type<ActivityOutcome>().notNull(),
    reason: text(),
    run_id: uuid(),
  },
  (table) => [primaryKey({ columns: [table.row_id, table.activity_id] })],
);

/** Guards that an occurrence runs once (I1): whoever inserts the row has it. This table is never partitioned. */
export const occurrences = actcore.table(
  "occurrences",
  {
    activity_id: uuid().notNull(),
    kind: text().$type<OccurrenceKind>().notNull(),
    key: text().notNull(),
    run_id: uuid().notNull(),
    event_id: text(),
    /** The workflow id under which it is started, where that does not follow from the key. */
    workflow_id: text(),
    /**
     * firstExecutionRunId of the workflow that runs it; `queued` while its run waits for the gates of its activity, and a word that
     * says why where no workflow ever will; null: its run is owed a workflow.
     */
    claimed_by: text(),
    version_used: integer(),
  },
  (table) => [
    primaryKey({ columns: [table.activity_id, table.kind, table.key] }),
    uniqueIndex("occurrences_run").on(table.run_id),
    index("occurrences_unclaimed").on(table.run_id).where(sql`claimed_by is null`),
  ],
);

export const runs = actcore.table(
  "runs",
  {
    run_id: uuid().primaryKey(),
    activity_id: uuid().notNull(),
    activity_name: text().notNull(),
    trigger: text().$type<RunTrigger>().notNull(),
    status: text().$type<RunStatus>().notNull(),
    reason: text(),
    scheduled_for: time("scheduled_for"),
    fired_at: time("fired_at").notNull().defaultNow(),
    finished_at: time("finished_at"),
    event_id: text(),
    trace_id: text().notNull(),
    workflow_id: text().notNull(),
    version_used: integer().notNull(),
    /** What the context sources answered, by their names. */
    context_snapshot: json(),
    /** How each source did (context/snapshot.ts). */
    context_sources: json().$type<readonly SourceReport[]>(),
    /** What became of each task template, and why (run/decision.ts); null until the run has decided. */
    decisions: json().$type<RunDecisions>(),
    /** Why it was skipped, in words. */
    detail: text(),
    /** Null until the run has decided. */
    tasks_spawned: integer(),
    error: text(),
    /** The run that this one repeats. */
    rerun_of: uuid(),
    /** `failed`: the run took over what had succeeded in the one that it repeats. */
    rerun_from: text().$type<RerunFrom>(),
    /** How often it was opened again to retry tasks, and when last. */
    reopened: integer().notNull().default(0),
    reopened_at: time("reopened_at"),
    /** What it is counted under by the gates of its activity, empty where they have no key; null where it has no gates. */
    flow_key: text(),
    /** When the gates of its activity let it begin. */
    admitted_at: time("admitted_at"),
    /** The window whose events it is about; null where it is about one event or none. */
    window_id: uuid(),
  },
  (table) => [
    index("runs_window").on(table.window_id).where(sql`window_id is not null`),
    index("runs_queued").on(table.activity_id, table.flow_key, table.run_id).where(sql`status = 'queued'`),
    // Also of activities without gates: a due time may give way to any run of its activity.
    index("runs_holding").on(table.activity_id, table.flow_key).where(sql`status = 'running'`),
    index("runs_admitted").on(table.activity_id, table.flow_key, table.admitted_at).where(sql`admitted_at is not null`),
    index("runs_activity").on(table.activity_id, table.run_id),
    index("runs_trigger").on(table.trigger, table.run_id),
    index("runs_notable").on(table.status, table.run_id).where(sql`status <> 'succeeded'`),
    // When an activity last succeeded.
    index("runs_activity_succeeded").on(table.activity_id, table.finished_at).where(sql`status = 'succeeded'`),
    index("runs_activity_notable").on(table.activity_id, table.status, table.run_id).where(endedBadly),
    index("runs_trigger_notable").on(table.trigger, table.status, table.run_id).where(endedBadly),
    index("runs_skipped_due")
      .on(table.scheduled_for, table.activity_id)
      .where(sql`status = 'skipped' and scheduled_for is not null`),
    index("runs_replays").on(table.event_id, table.run_id).where(sql`trigger = 'replay'`),
    index("runs_reruns").on(table.rerun_of).where(sql`rerun_of is not null`),
    index("runs_open").on(table.run_id).where(sql`finished_at is null`),
  ],
);

/** Events of actcore's own, written with what they tell of, and published to the stream after that. */
export const ownEvents = actcore.table(
  "own_events",
  {
    event_id: text().primaryKey(),
    type: text().notNull(),
    subject: text(),
    payload: json().notNull(),
    created_at: time("created_at").notNull().defaultNow(),
    published_at: time("published_at"),
    /** As its payload has them: the statement that closes a run goes on from here. Null in rows of earlier releases. */
    depth: integer(),
    chain: json().$type<readonly string[]>(),
    /** Why it is kept and never published. */
    cut_reason: text(),
  },
  (table) => [
    index("own_events_unpublished")
      .on(table.created_at, table.event_id)
      .where(sql`published_at is null and cut_reason is null`),
  ],
);

/** Since when the activities with `expect` are watched, and whether they are overdue. */
export const expectations = actcore.table("expectations", {
  definition_id: uuid()
    .primaryKey()
    .references(() => definitions.id),
  /** How long a silence may be. */
  success_within_ms: bigint({ mode: "number" }).notNull(),
  /** Silence is counted from here, or from the last success after it. */
  counts_from: time("counts_from").notNull(),
  /** Since when it is overdue; null: it is not. */
  overdue_since: time("overdue_since"),
  /** When it is to be judged again. */
  look_at: time("look_at").notNull(),
});

/** Who changed what. Written in the transaction of the change. */
export const auditLog = actcore.table(
  "audit_log",
  {
    entry_id: uuid().primaryKey(),
    at: time("at").notNull().defaultNow(),
    /** `key:{name}`, `cli`, `anonymous`, or of a sync also `start` and `interval`. */
    actor: text().notNull(),
    action: text().notNull(),
    /** What was changed: `definition:{id}`, `event_type:{id}`, `hook:{id}`, `run:{id}`, `key:{id}`, `tree:{path}`. */
    subject: text().notNull(),
    before: json(),
    after: json(),
  },
  (table) => [
    index("audit_subject").on(table.subject, table.entry_id),
    index("audit_actor").on(table.actor, table.entry_id),
  ],
);
