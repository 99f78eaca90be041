/** Reading the ledger: newest first, paged by key, so that a page never shifts under the reader. */
import { and, count, desc, eq, gte, isNull, lt } from "drizzle-orm";
import type { LedgerReader } from "../ledger/reader.ts";
import type { EventSummary, RunView, TaskView } from "../ledger/views.ts";
import { firstUuidAt } from "../stable-id.ts";
import { type Database, guarded } from "./client.ts";
import { eventKeys, eventOutcomes, events, runs, tasks } from "./schema.ts";

export function createLedgerReader(db: Database): LedgerReader {
  return {
    async listRuns({ activity_id, status, trigger, since }, page) {
      const conditions = [
        activity_id === undefined ? undefined : eq(runs.activity_id, activity_id),
        status === undefined ? undefined : eq(runs.status, status),
        trigger === undefined ? undefined : eq(runs.trigger, trigger),
        since === undefined ? undefined : gte(runs.run_id, firstUuidAt(since)),
        page.after === undefined ? undefined : lt(runs.run_id, page.after),
      ];
      const rows = await guarded(
        db
          .select()
          .from(runs)
          .where(and(...conditions))
          .orderBy(desc(runs.run_id))
          .limit(page.limit),
      );
      return rows.map(toRunView);
    },
    async findRun(runId) {
      const [row] = await guarded(db.select().from(runs).where(eq(runs.run_id, runId)));
      return row && toRunView(row);
    },
    async listTasks({ activity_id, run_id, status, since }, page) {
      const conditions = [
        activity_id === undefined ? undefined : eq(tasks.activity_id, activity_id),
        run_id === undefined ? undefined : eq(tasks.run_id, run_id),
        status === undefined ? undefined : eq(tasks.status, status),
        since === undefined ? undefined : gte(tasks.task_id, firstUuidAt(since)),
        page.after === undefined ? undefined : lt(tasks.task_id, page.after),
      ];
      const rows = await guarded(
        db
          .select()
          .from(tasks)
          .where(and(...conditions))
          .orderBy(desc(tasks.task_id))
          .limit(page.limit),
      );
      return rows.map(toTaskView);
    },
    async findTask(taskId) {
      const [row] = await guarded(db.select().from(tasks).where(eq(tasks.task_id, taskId)));
      return row && toTaskView(row);
    },
    async listEvents({ type, outcome, since }, page) {
      const conditions = [
        type === undefined ? undefined : eq(events.type, type),
        outcome === undefined ? undefined : eq(events.outcome, outcome),
        since === undefined ? undefined : gte(events.row_id, firstUuidAt(since)),
        page.after === undefined ? undefined : lt(events.row_id, page.after),
      ];
      const rows = await guarded(
        db
          .select()
          .from(events)
          .where(and(...conditions))
          .orderBy(desc(events.row_id))
          .limit(page.limit),
      );
      return rows.map(toEventView);
    },
    async findEvent(eventId) {
      const [found] = await guarded(
        db
          .select({ event: events })
          .from(eventKeys)
          .innerJoin(events, eq(events.row_id, eventKeys.row_id))
          .where(eq(eventKeys.event_id, eventId)),
      );
      if (found === undefined) return undefined;
      const { row_id, raw } = found.event;
      const reached = await guarded(
        db.select().from(eventOutcomes).where(eq(eventOutcomes.row_id, row_id)).orderBy(eventOutcomes.activity_name),
      );
      const activities = reached.map(({ row_id: _, ...outcome }) => outcome);
      const raw_base64 = raw === null ? null : Buffer.from(raw).toString("base64");
      return { ...toEventView(found.event), raw_base64, activities };
    },
    async countOpenRuns() {
      const [row] = await guarded(db.select({ open: count() }).from(runs).where(isNull(runs.finished_at)));
      return row?.open ?? 0;
    },
  };
}

function toRunView(row: typeof runs.$inferSelect): RunView {
  return {
    ...row,
    scheduled_for: row.scheduled_for?.toISOString() ?? null,
    fired_at: row.fired_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
  };
}

function toTaskView({ policy: _, ...row }: typeof tasks.$inferSelect): TaskView {
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    finished_at: row.finished_at?.toISOString() ?? null,
    due_at: row.due_at?.toISOString() ?? null,
  };
}

function toEventView({ raw: _, received_at, ...row }: typeof events.$inferSelect): EventSummary {
  return { ...row, received_at: received_at.toISOString() };
}
