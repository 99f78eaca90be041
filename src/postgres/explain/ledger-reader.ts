/** Reading the ledger: newest first, paged by key, so that a page never shifts under the reader. */
import { and, count, desc, eq, type GetColumnData, gte, isNull, lt, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { LedgerReader, Page } from "../../explain/ledger-reader.ts";
import { type EventSummary, MAX_REFUSED_SHOWN, type RunView, type TaskView } from "../../explain/views.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { type Database, guarded } from "../client.ts";
import { eventKeys, eventOutcomes, events, runs, tasks } from "../ledger-tables.ts";
import { withTimesAsText } from "../schema.ts";

export function createLedgerReader(db: Database): LedgerReader {
  async function findRow(rowId: string) {
    const [row] = await guarded(db.select().from(events).where(eq(events.row_id, rowId)));
    return row;
  }

  return {
    async listRuns({ activity_id, status, trigger, since }, page) {
      const wanted = and(
        is(runs.activity_id, activity_id),
        is(runs.status, status),
        is(runs.trigger, trigger),
        isOnPage(runs.run_id, since, page),
      );
      const query = db.select().from(runs).where(wanted).orderBy(desc(runs.run_id)).limit(page.limit);
      return (await guarded(query)).map(toRunView);
    },
    async findRun(runId) {
      const [row] = await guarded(db.select().from(runs).where(eq(runs.run_id, runId)));
      return row && toRunView(row);
    },
    async listTasks({ activity_id, run_id, status, since }, page) {
      const wanted = and(
        is(tasks.activity_id, activity_id),
        is(tasks.run_id, run_id),
        is(tasks.status, status),
        isOnPage(tasks.task_id, since, page),
      );
      const query = db.select().from(tasks).where(wanted).orderBy(desc(tasks.task_id)).limit(page.limit);
      return (await guarded(query)).map(toTaskView);
    },
    async findTask(taskId) {
      const [row] = await guarded(db.select().from(tasks).where(eq(tasks.task_id, taskId)));
      return row && toTaskView(row);
    },
    async listEvents({ type, outcome, since }, page) {
      const wanted = and(is(events.type, type), is(events.outcome, outcome), isOnPage(events.row_id, since, page));
      const query = db.select().from(events).where(wanted).orderBy(desc(events.row_id)).limit(page.limit);
      return (await guarded(query)).map(toEventView);
    },
    async findEvent(eventId) {
      const carries = eq(events.carried_id, eventId);
      const [[keyed], letters] = await Promise.all([
        guarded(
          db
            .select({ event: events })
            .from(eventKeys)
            .innerJoin(events, eq(events.row_id, eventKeys.row_id))
            .where(eq(eventKeys.event_id, eventId)),
        ),
        guarded(
          db.select(refusedFields).from(events).where(carries).orderBy(desc(events.row_id)).limit(MAX_REFUSED_SHOWN),
        ),
      ]);
      // No event has the id. Somebody who sent a message that is no event looks for it by the id that the message carries.
      const event = keyed?.event ?? (letters[0] && (await findRow(letters[0].row_id)));
      if (event === undefined) return undefined;
      const { row_id, raw } = event;
      const reached = await guarded(
        db.select().from(eventOutcomes).where(eq(eventOutcomes.row_id, row_id)).orderBy(eventOutcomes.activity_name),
      );
      const activities = reached.map(({ row_id: _, ...outcome }) => outcome);
      const raw_base64 = raw === null ? null : Buffer.from(raw).toString("base64");
      const others = letters.filter((letter) => letter.row_id !== row_id);
      const refused = others.map(({ row_id: _, ...letter }) => withTimesAsText(letter));
      return { ...toEventView(event), raw_base64, activities, refused };
    },
    async countOpenRuns() {
      const [row] = await guarded(db.select({ open: count() }).from(runs).where(isNull(runs.finished_at)));
      return row?.open ?? 0;
    },
  };
}

const { row_id, event_id, reason, detail, received_at } = events;
const refusedFields = { row_id, event_id, reason, detail, received_at };

/** Undefined, which is no condition, where no value is asked for. */
function is<C extends PgColumn>(column: C, value: GetColumnData<C, "raw"> | undefined): SQL | undefined {
  return value === undefined ? undefined : eq(column, value);
}

function isOnPage(id: PgColumn, since: Date | undefined, { after }: Page): SQL | undefined {
  return and(
    since === undefined ? undefined : gte(id, firstUuidAt(since)),
    after === undefined ? undefined : lt(id, after),
  );
}

function toRunView({ decisions: _, context_sources: __, ...row }: typeof runs.$inferSelect): RunView {
  return withTimesAsText(row);
}

function toTaskView({ policy: _, sources: __, ...row }: typeof tasks.$inferSelect): TaskView {
  return { ...withTimesAsText(row), idempotency_key: row.idempotency_key ?? row.task_id };
}

function toEventView({ raw: _, ...row }: typeof events.$inferSelect): EventSummary {
  return withTimesAsText(row);
}
