/** What was to be done for runs, by whom or what, and what came of it. */
import { sql } from "drizzle-orm";
import { bigint, index, integer, text, uuid } from "drizzle-orm/pg-core";
import type { TaskPolicy } from "../definition/activity.ts";
import type { HumanState } from "../task/human/human-state.ts";
import type { TaskError, TaskStatus, TemplateSources } from "../task/task.ts";
import { actcore, endedBadly, json, time } from "./schema.ts";

export const tasks = actcore.table(
  "tasks",
  {
    task_id: uuid().primaryKey(),
    /** Null in a row of an earlier release, whose task has sent its id. */
    idempotency_key: uuid(),
    run_id: uuid().notNull(),
    activity_id: uuid().notNull(),
    key: text().notNull(),
    /** Which item of its template's `for_each` it is made for; null where the template has none. */
    instance: integer(),
    type: text().notNull(),
    status: text().$type<TaskStatus>().notNull(),
    params: json().notNull(),
    /** By JSON pointer into `params`: the texts that have expressions, as the definition has them. */
    sources: json().$type<TemplateSources>(),
    policy: json().$type<TaskPolicy>().notNull(),
    result: json(),
    attempts: integer().notNull().default(0),
    error: json().$type<TaskError>(),
    created_at: time("created_at").notNull().defaultNow(),
    started_at: time("started_at"),
    finished_at: time("finished_at"),
    due_at: time("due_at"),
    assignee: text(),
    /** The task of the repeated run whose result this one took over. */
    taken_from: uuid(),
    /** Retries by hand: how many, and the tries that were made before the last of them; `policy` counts from there. */
    retried: integer().notNull().default(0),
    tries_forgiven: integer().notNull().default(0),
    /** Somebody asked to cancel it: no try of it begins any more. */
    cancel_requested_at: time("cancel_requested_at"),
    /** Who last asked to retry or cancel it. */
    requested_by: text(),
  },
  (table) => [
    index("tasks_run").on(table.run_id),
    index("tasks_activity").on(table.activity_id, table.task_id),
    index("tasks_notable").on(table.status, table.task_id).where(sql`status <> 'succeeded'`),
    index("tasks_cancel_requested")
      .on(table.task_id)
      .where(sql`cancel_requested_at is not null and finished_at is null`),
    index("tasks_activity_notable").on(table.activity_id, table.status, table.task_id).where(endedBadly),
  ],
);

/** The end of what the command of a task has written, in its last try. */
export const taskOutputs = actcore.table("task_outputs", {
  task_id: uuid().primaryKey(),
  attempt: integer().notNull(),
  text: text().notNull(),
  /** All that was written, kept or not. */
  bytes: bigint({ mode: "number" }).notNull(),
  updated_at: time("updated_at").notNull().defaultNow(),
});

/** What a task asks of a person, and what became of it. `version` counts its changes: whoever decides names the one that was seen. */
export const humanTasks = actcore.table(
  "human_tasks",
  {
    task_id: uuid().primaryKey(),
    run_id: uuid().notNull(),
    activity_id: uuid().notNull(),
    state: text().$type<HumanState>().notNull(),
    version: integer().notNull().default(1),
    title: text().notNull(),
    description: text(),
    /** JSON Schema of the answer. */
    form: json().$type<Record<string, unknown>>(),
    assignee: text(),
    group: text("group"),
    claimed_by: text(),
    due_at: time("due_at"),
    remind_every_ms: bigint({ mode: "number" }),
    next_reminder_at: time("next_reminder_at"),
    reminders: integer().notNull().default(0),
    expire_at: time("expire_at"),
    on_expiry: text().$type<"fail" | "reject">().notNull().default("fail"),
    /** Whose task it becomes when it is due. */
    escalate_to: json().$type<{ assignee?: string; group?: string }>(),
    escalated_at: time("escalated_at"),
    decided_at: time("decided_at"),
    decided_by: text(),
    /** What the form was filled with. */
    answer: json(),
    comment: text(),
    /** When its workflow was told of the decision. */
    told_at: time("told_at"),
    created_at: time("created_at").notNull().defaultNow(),
  },
  (table) => [
    index("human_tasks_assignee").on(table.assignee, table.task_id).where(sql`decided_at is null`),
    index("human_tasks_group").on(table.group, table.task_id).where(sql`decided_at is null`),
    index("human_tasks_due").on(table.due_at, table.task_id).where(sql`decided_at is null`),
    index("human_tasks_untold").on(table.decided_at).where(sql`decided_at is not null and told_at is null`),
  ],
);
