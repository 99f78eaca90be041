/**
 * The tables, all in the Postgres schema `actcore`. `make migration` turns a change here into a new SQL file under
 * migrations/; a migration that has been released is never edited.
 *
 * Ids of runs and tasks begin with their time (stable-id.ts): their order is the order of the lists, and they are the key
 * by which the tables can be partitioned.
 *
 * User payloads are `json`, not `jsonb`: jsonb refuses U+0000 and lone surrogates, which are legal JSON.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  json,
  pgSchema,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { Scope } from "../access/scope.ts";
import type { DefinitionBody, TriggerType } from "../definition/schema.ts";
import type { TaskPolicy } from "../run/decide.ts";
import type { RunStatus, RunTrigger } from "../run/run.ts";
import type { TaskError, TaskStatus } from "../task/task.ts";
import type { ActivityOutcome, EventOutcome } from "../trigger/ledger.ts";
import type { OccurrenceKind } from "../trigger/occurrence.ts";

export const actcore = pgSchema("actcore");

const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: "date" });
/** Of a run or a task. Not the open ones: they are few, and every row would pass through the index. */
const endedBadly = sql`status in ('failed', 'skipped', 'cancelled')`;
const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });

export const definitions = actcore.table(
  "definitions",
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    /** As it counts: the override's word, or else the body's. */
    enabled: boolean().notNull(),
    /** Set over REST for a definition that a file made; survives syncs until it is lifted. */
    enabled_override: boolean(),
    trigger_type: text().$type<TriggerType>().notNull(),
    /** The whole body as its source wrote it; the columns beside it are to search by. */
    body: json().$type<DefinitionBody>().notNull(),
    version: integer().notNull(),
    source: text().notNull(),
    /** The directory of files that it belongs to, and its identity there: the document's id, or else its name. */
    tree: text(),
    tree_key: text(),
    created_at: time("created_at").notNull().defaultNow(),
    updated_at: time("updated_at").notNull().defaultNow(),
    /** Its document vanished from the tree; it counts as disabled. */
    retired_at: time("retired_at"),
    deleted_at: time("deleted_at"),
  },
  (table) => [
    uniqueIndex("definitions_tree_key").on(table.tree, table.tree_key).where(sql`deleted_at is null`),
    uniqueIndex("definitions_live_name").on(table.name).where(sql`deleted_at is null`),
    index("definitions_live_trigger").on(table.trigger_type, table.name).where(sql`deleted_at is null`),
    index("definitions_live_source").on(table.source, table.name).where(sql`deleted_at is null`),
    index("definitions_live_enabled").on(table.enabled, table.name).where(sql`deleted_at is null`),
  ],
);

/** Every version ever, for runs that pinned it. */
export const definitionVersions = actcore.table(
  "definition_versions",
  {
    definition_id: uuid()
      .notNull()
      .references(() => definitions.id),
    version: integer().notNull(),
    body: json().$type<DefinitionBody>().notNull(),
    created_at: time("created_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.definition_id, table.version] })],
);

/** One row; `revision` moves in the transaction of every definition's change (I4). */
export const definitionRevision = actcore.table("definition_revision", {
  only: boolean().primaryKey().default(true),
  revision: bigint({ mode: "bigint" }).notNull(),
});

/** Which plan of a definition the engine was last given (trigger/schedule/plan.ts). */
export const scheduleProjections = actcore.table("schedule_projections", {
  definition_id: uuid()
    .primaryKey()
    .references(() => definitions.id),
  version: integer().notNull(),
  /** Null: the definition has no schedule. */
  plan_hash: text(),
  /** Whether the plan said so: a pause that stands in the engine otherwise was made by somebody else. */
  paused: boolean().notNull().default(false),
  /** Of what the engine described after it was told: another description is drift. */
  engine_hash: text(),
  updated_at: time("updated_at").notNull().defaultNow(),
});

/** How far the due times of a definition are accounted for (trigger/schedule/reconciler.ts). */
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

/** Due times that did not run, and why: each row is a stretch of `count` consecutive ones (I3). */
export const dueSkips = actcore.table(
  "due_skips",
  {
    activity_id: uuid().notNull(),
    /** The first and the last due time of the stretch. */
    first_due: time("first_due").notNull(),
    last_due: time("last_due").notNull(),
    count: integer().notNull(),
    reason: text().notNull(),
    /** The run that a compressed stretch went into. */
    into_run: uuid(),
    recorded_at: time("recorded_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.activity_id, table.first_due, table.reason] }),
    index("due_skips_recorded").on(table.recorded_at),
  ],
);

/** Event types: what a payload of the type must look like. */
export const eventTypes = actcore.table(
  "event_types",
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    description: text(),
    /** JSON Schema of the payload. */
    schema: json().$type<Record<string, unknown>>().notNull(),
    /** Whether a payload that does not match is refused. */
    enforce: boolean().notNull(),
    version: integer().notNull(),
    source: text().notNull(),
    tree: text().notNull(),
    tree_key: text().notNull(),
    created_at: time("created_at").notNull().defaultNow(),
    updated_at: time("updated_at").notNull().defaultNow(),
    retired_at: time("retired_at"),
  },
  (table) => [
    uniqueIndex("event_types_tree_key").on(table.tree, table.tree_key),
    uniqueIndex("event_types_live_name").on(table.name).where(sql`retired_at is null`),
  ],
);

/** The history of syncs. */
export const syncs = actcore.table("syncs", {
  sync_id: uuid().primaryKey(),
  started_at: time("started_at").notNull(),
  finished_at: time("finished_at").notNull(),
  /** `start`, `interval`, `cli`, or who asked over REST. */
  actor: text().notNull(),
  /** The answer, as it was given. */
  report: json().$type<Record<string, unknown>>().notNull(),
  /** What it changed, for a rollback. */
  changes: json().$type<readonly Record<string, unknown>[]>().notNull(),
});

/** Trees that were rolled back: no sync touches them until they are released. */
export const heldTrees = actcore.table("held_trees", {
  tree: text().primaryKey(),
  held_at: time("held_at").notNull().defaultNow(),
  held_by: text().notNull(),
  sync_id: uuid().notNull(),
});

/** The guard of events: who inserts the id has the event. Outlives the event's row. */
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
    payload: json(),
    /** The message's bytes, of a dead letter only. */
    raw: bytea(),
    received_at: time("received_at").notNull().defaultNow(),
  },
  (table) => [
    index("events_type").on(table.type, table.row_id),
    index("events_notable").on(table.outcome, table.row_id).where(sql`outcome <> 'dispatched'`),
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

/** The guard of I1: whoever inserts the row has the occurrence. Never partitioned. */
export const occurrences = actcore.table(
  "occurrences",
  {
    activity_id: uuid().notNull(),
    kind: text().$type<OccurrenceKind>().notNull(),
    key: text().notNull(),
    run_id: uuid().notNull(),
    event_id: text(),
    /** Under which it is started, where that does not follow from the key. */
    workflow_id: text(),
    /** firstExecutionRunId of the workflow that runs it. */
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
    context_snapshot: json(),
    /** Null until the run has decided. */
    tasks_spawned: integer(),
    error: text(),
    /** The run that this one repeats. */
    rerun_of: uuid(),
  },
  (table) => [
    index("runs_activity").on(table.activity_id, table.run_id),
    index("runs_trigger").on(table.trigger, table.run_id),
    index("runs_notable").on(table.status, table.run_id).where(sql`status <> 'succeeded'`),
    index("runs_activity_notable").on(table.activity_id, table.status, table.run_id).where(endedBadly),
    index("runs_trigger_notable").on(table.trigger, table.status, table.run_id).where(endedBadly),
    index("runs_reruns").on(table.rerun_of).where(sql`rerun_of is not null`),
    index("runs_open").on(table.run_id).where(sql`finished_at is null`),
  ],
);

export const tasks = actcore.table(
  "tasks",
  {
    task_id: uuid().primaryKey(),
    run_id: uuid().notNull(),
    activity_id: uuid().notNull(),
    key: text().notNull(),
    type: text().notNull(),
    status: text().$type<TaskStatus>().notNull(),
    params: json().notNull(),
    policy: json().$type<TaskPolicy>().notNull(),
    result: json(),
    attempts: integer().notNull().default(0),
    error: json().$type<TaskError>(),
    created_at: time("created_at").notNull().defaultNow(),
    started_at: time("started_at"),
    finished_at: time("finished_at"),
    due_at: time("due_at"),
    assignee: text(),
  },
  (table) => [
    index("tasks_run").on(table.run_id),
    index("tasks_activity").on(table.activity_id, table.task_id),
    index("tasks_notable").on(table.status, table.task_id).where(sql`status <> 'succeeded'`),
    index("tasks_activity_notable").on(table.activity_id, table.status, table.task_id).where(endedBadly),
  ],
);

/** Who may do what over REST. A key is shown once and stored as its hash. */
export const apiKeys = actcore.table(
  "api_keys",
  {
    key_id: uuid().primaryKey(),
    name: text().notNull(),
    /** SHA-256 of the key. */
    hash: text().notNull().unique(),
    scopes: text().array().$type<Scope[]>().notNull(),
    created_at: time("created_at").notNull().defaultNow(),
    expires_at: time("expires_at"),
    /** To the minute. */
    last_used_at: time("last_used_at"),
    revoked_at: time("revoked_at"),
  },
  (table) => [uniqueIndex("api_keys_live_name").on(table.name).where(sql`revoked_at is null`)],
);

/** Who changed what. Written in the transaction of the change. */
export const auditLog = actcore.table(
  "audit_log",
  {
    entry_id: uuid().primaryKey(),
    at: time("at").notNull().defaultNow(),
    /** `key:{name}`, `cli`, `anonymous`, or of a sync also `start` and `interval`. */
    actor: text().notNull(),
    action: text().notNull(),
    /** What was changed: `definition:{id}`, `event_type:{id}`, `run:{id}`, `key:{id}`, `tree:{path}`. */
    subject: text().notNull(),
    before: json(),
    after: json(),
  },
  (table) => [
    index("audit_subject").on(table.subject, table.entry_id),
    index("audit_actor").on(table.actor, table.entry_id),
  ],
);
