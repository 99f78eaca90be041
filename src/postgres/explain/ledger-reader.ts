/** Reading the ledger: newest first, paged by key, so that a page never shifts under the reader. */
import {
  and,
  asc,
  count,
  desc,
  eq,
  type GetColumnData,
  getTableColumns,
  gte,
  isNotNull,
  isNull,
  lt,
  lte,
  type SQL,
  sql,
} from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { MAX_REFUSED_SHOWN, MAX_REPLAYS_SHOWN } from "../../explain/event-view.ts";
import type { LedgerReader, Page, TaskFilter } from "../../explain/ledger-reader.ts";
import { describeRun, MAX_TASKS_SHOWN, type TaskCount } from "../../explain/run-view.ts";
import type { TaskSummary } from "../../explain/task-view.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { isTruncated } from "../../task/command/output.ts";
import { type Database, guarded } from "../client.ts";
import { NEWS_OF_RUN } from "../event/run-news.ts";
import { flowMembers } from "../flow-tables.ts";
import { eventKeys, eventOutcomes, events, runs } from "../ledger-tables.ts";
import { withTimesAsText } from "../schema.ts";
import { humanTasks, taskOutputs, tasks } from "../task-tables.ts";

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
      const query = db.select(runSummary).from(runs).where(wanted).orderBy(desc(runs.run_id)).limit(page.limit);
      return (await guarded(query)).map(toRunSummary);
    },
    async findRun(runId) {
      const ofRun = eq(tasks.run_id, runId);
      const counts = sql<TaskCount[]>`(select coalesce(json_agg(c), '[]') from (
        select key, status, count(*) as count from ${tasks} where ${ofRun} group by key, status) c)`;
      const { context_snapshot, context_sources, decisions } = runs;
      const run = {
        summary: runSummary,
        context_snapshot,
        context_sources,
        decisions,
        counts,
        gathered: sql<string[] | null>`(select json_agg(m.event_id order by m.position) from ${flowMembers} m
          where m.window_id = ${runs}.window_id)`,
        outcome_event: NEWS_OF_RUN,
      };
      const [[row], shown] = await Promise.all([
        guarded(db.select(run).from(runs).where(eq(runs.run_id, runId))),
        guarded(
          db
            .select(taskOfRun)
            .from(tasks)
            .where(ofRun)
            .orderBy(asc(sql`${tasks.status} = 'succeeded'`), asc(tasks.key), asc(tasks.instance))
            .limit(MAX_TASKS_SHOWN),
        ),
      ]);
      return row && describeRun({ ...row, summary: toRunSummary(row.summary), tasks: shown.map(toTask) });
    },
    async listTasks({ activity_id, run_id, status, key, since, ...asked }, page) {
      const wanted = and(
        is(tasks.activity_id, activity_id),
        is(tasks.run_id, run_id),
        is(tasks.status, status),
        is(tasks.key, key),
        waitsFor(asked),
        isOnPage(tasks.task_id, since, page),
      );
      const query = db.select(taskSummary).from(tasks).where(wanted).orderBy(desc(tasks.task_id)).limit(page.limit);
      return (await guarded(query)).map(toTask);
    },
    async findTask(taskId) {
      const { params, result, error } = tasks;
      const { attempt, text, bytes, updated_at } = taskOutputs;
      const columns = {
        ...taskSummary,
        params,
        result,
        error,
        output: { attempt, text, bytes, updated_at },
        human: humanColumns,
      };
      const ofTask = eq(taskOutputs.task_id, tasks.task_id);
      const query = db
        .select(columns)
        .from(tasks)
        .leftJoin(taskOutputs, ofTask)
        .leftJoin(humanTasks, eq(humanTasks.task_id, tasks.task_id))
        .where(eq(tasks.task_id, taskId));
      const [row] = await guarded(query);
      return (
        row && {
          ...toTask(row),
          output: row.output && toOutput(row.output),
          // Of a task that is to be asked anew, the last asking is over.
          human: row.human && row.status !== "pending" ? toHuman(row.human, row) : null,
        }
      );
    },
    async listEvents({ type, outcome, since }, page) {
      const wanted = and(is(events.type, type), is(events.outcome, outcome), isOnPage(events.row_id, since, page));
      const query = db.select(eventSummary).from(events).where(wanted).orderBy(desc(events.row_id)).limit(page.limit);
      return (await guarded(query)).map(withTimesAsText);
    },
    async listDeadLetters({ type, reason, settled, since }, page) {
      const { settled_as } = events;
      const wanted = and(
        isNotNull(events.reason),
        is(events.type, type),
        is(events.reason, reason),
        settled === undefined ? undefined : settled ? isNotNull(settled_as) : isNull(settled_as),
        isOnPage(events.row_id, since, page),
      );
      const query = db.select(eventSummary).from(events).where(wanted).orderBy(desc(events.row_id)).limit(page.limit);
      return (await guarded(query)).map(withTimesAsText);
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
      const { raw, ...fields } = event;
      const { row_id } = event;
      const replayed = and(eq(runs.event_id, event.event_id), eq(runs.trigger, "replay"));
      const [reached, replays] = await Promise.all([
        guarded(
          db.select().from(eventOutcomes).where(eq(eventOutcomes.row_id, row_id)).orderBy(eventOutcomes.activity_name),
        ),
        guarded(db.select(replayFields).from(runs).where(replayed).orderBy(desc(runs.run_id)).limit(MAX_REPLAYS_SHOWN)),
      ]);
      const activities = reached.map(({ row_id: _, ...outcome }) => outcome);
      const raw_base64 = raw === null ? null : Buffer.from(raw).toString("base64");
      const others = letters.filter((letter) => letter.row_id !== row_id);
      const refused = others.map(({ row_id: _, ...letter }) => withTimesAsText(letter));
      return { ...withTimesAsText(fields), raw_base64, activities, replays: replays.map(withTimesAsText), refused };
    },
    async countOpenRuns() {
      const queued = sql<number>`count(*) filter (where ${runs.status} = 'queued')`.mapWith(Number);
      const query = db.select({ open: count(), queued }).from(runs).where(isNull(runs.finished_at));
      const [row = { open: 0, queued: 0 }] = await guarded(query);
      return { running: row.open - row.queued, queued: row.queued };
    },
  };
}

const { raw: _raw, payload: _payload, attributes: _attributes, ...eventSummary } = getTableColumns(events);
const { row_id, event_id, reason, detail, received_at } = events;
const replayFields = {
  run_id: runs.run_id,
  activity_id: runs.activity_id,
  activity_name: runs.activity_name,
  status: runs.status,
  fired_at: runs.fired_at,
};
const refusedFields = { row_id, event_id, reason, detail, received_at };
const {
  context_snapshot: _snapshot,
  context_sources: _sources,
  decisions: _decisions,
  ...runSummary
} = getTableColumns(runs);
const {
  params: _params,
  result: _result,
  sources: _texts,
  policy: _policy,
  tries_forgiven: _forgiven,
  ...taskColumns
} = getTableColumns(tasks);
const taskSummary = {
  ...taskColumns,
  // A row of an earlier release has no key of its own: its task has sent its id.
  idempotency_key: sql<string>`coalesce(${tasks.idempotency_key}, ${tasks.task_id})`,
  activity_name: sql<string>`(select r.activity_name from ${runs} r where r.run_id = ${tasks}.run_id)`,
  run_on: sql<string | null>`${tasks.policy}->>'run_on'`,
  // Without `details`, which is what the outside said.
  error: sql<TaskSummary["error"]>`case when ${tasks.error} is not null then
    json_build_object('code', ${tasks.error}->>'code', 'message', ${tasks.error}->>'message') end`,
};

const {
  task_id: _task,
  run_id: _humanRun,
  activity_id: _humanActivity,
  remind_every_ms: _every,
  on_expiry: _expiry,
  escalate_to: _to,
  told_at: _told,
  ...humanColumns
} = getTableColumns(humanTasks);

const { run_id: _run, activity_id: _id, activity_name: _name, ...taskOfRun } = taskSummary;

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

function toRunSummary<Row extends { fired_at: Date; finished_at: Date | null }>(row: Row) {
  return { ...withTimesAsText(row), duration_ms: durationOf(row.fired_at, row.finished_at) };
}

function toTask<Row extends { started_at: Date | null; finished_at: Date | null }>(row: Row) {
  return { ...withTimesAsText(row), duration_ms: durationOf(row.started_at, row.finished_at) };
}

/** A task that ended before anybody decided was cancelled, or ended with its run. */
function toHuman(
  human: Pick<typeof humanTasks.$inferSelect, keyof typeof humanColumns>,
  task: { finished_at: Date | null },
) {
  const isLeft = human.decided_at === null && task.finished_at !== null;
  return { ...withTimesAsText(human), ...(isLeft && { state: "cancelled" as const }) };
}

/** Tasks that wait for this person or group, or are due by then. */
function waitsFor({ assignee, group, due_before }: Pick<TaskFilter, "assignee" | "group" | "due_before">) {
  if (assignee === undefined && group === undefined && due_before === undefined) return undefined;
  const wanted = and(
    is(humanTasks.assignee, assignee),
    is(humanTasks.group, group),
    due_before === undefined ? undefined : lte(humanTasks.due_at, due_before),
  );
  return and(
    eq(tasks.status, "waiting"),
    sql`${tasks.task_id} in (select ${humanTasks.task_id} from ${humanTasks} where ${humanTasks.decided_at} is null and ${wanted}) and ${tasks.finished_at} is null`,
  );
}

function toOutput(row: Pick<typeof taskOutputs.$inferSelect, "attempt" | "text" | "bytes" | "updated_at">) {
  return { ...withTimesAsText(row), truncated: isTruncated(row.bytes) };
}

function durationOf(from: Date | null, to: Date | null): number | null {
  return from && to && to.getTime() - from.getTime();
}
