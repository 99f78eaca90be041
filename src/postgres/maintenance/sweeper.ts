/**
 * Deletes old rows that nothing needs any more.
 *
 * Tables with the time in their key are walked by it: a batch is a range scan from the old end. Occurrences have it in
 * their run id. An open run, its tasks and its occurrence are kept, however old they are, and so are all rows of an event
 * that still owes starts, or that an open or pending run or an open window needs.
 */
import { type SQL, sql } from "drizzle-orm";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import type { Sweeper, SweptTable } from "../../maintenance/retention.ts";
import { type Database, guarded } from "../client.ts";
import { dedupeKeys, flowMembers, flowWindows } from "../flow-tables.ts";
import {
  auditLog,
  dueSkips,
  eventKeys,
  eventOutcomes,
  events,
  occurrences,
  ownEvents,
  runs,
} from "../ledger-tables.ts";
import { humanTasks, taskOutputs, tasks } from "../task-tables.ts";

const isOfClosedRun = (runId: SQL) =>
  sql`not exists (select from ${runs} r where r.run_id = ${runId} and r.finished_at is null)`;
const isOfOpenRun = (windowId: SQL) =>
  sql`exists (select from ${runs} r where r.window_id = ${windowId} and r.finished_at is null)`;
// The first two look at partial indexes of what is open, which is little.
const isNeeded = (eventId: SQL, rowId: SQL) => sql`(
  exists (select from ${runs} r where r.event_id = ${eventId} and r.finished_at is null)
  or exists (select from ${occurrences} o where o.event_id = ${eventId} and o.claimed_by is null)
  or exists (select from ${flowMembers} m join ${flowWindows} w using (window_id)
    where m.row_id = ${rowId} and (w.closed_at is null or ${isOfOpenRun(sql`w.window_id`)})))`;
const isOfSettledEvent = (rowId: SQL) =>
  sql`not exists (select from ${events} e where e.row_id = ${rowId}
    and (e.outcome = 'received' or ${isNeeded(sql`e.event_id`, sql`e.row_id`)}))`;
const isSettledEvent = sql`outcome <> 'received' and not ${isNeeded(sql`${events.event_id}`, sql`${events.row_id}`)}`;
const isOfDoneWindow = (windowId: SQL) =>
  sql`not exists (select from ${flowWindows} w where w.window_id = ${windowId} and w.closed_at is null) and not ${isOfOpenRun(windowId)}`;
const isDoneTask = sql`finished_at is not null and ${isOfClosedRun(sql`${tasks.run_id}`)}`;
const isOfDoneTask = (taskId: SQL) =>
  sql`not exists (select from ${tasks} where ${tasks.task_id} = ${taskId} and not (${isDoneTask}))`;
const isDoneOccurrence = sql`claimed_by is not null and ${isOfClosedRun(sql`${occurrences.run_id}`)}`;

type Statement = (before: Date, limit: number) => SQL;

const byKey =
  (table: SQL, key: string, where: SQL = sql`true`): Statement =>
  (before, limit) =>
    sql`
    delete from ${table} t using (
      select ${sql.identifier(key)} as id from ${table} where ${sql.identifier(key)} < ${firstUuidAt(before)}::uuid and ${where}
      order by ${sql.identifier(key)} limit ${limit}
    ) old where t.${sql.identifier(key)} = old.id`;

const DELETIONS: Readonly<Record<SweptTable, Statement>> = {
  task_outputs: byKey(sql`${taskOutputs}`, "task_id", isOfDoneTask(sql`${taskOutputs.task_id}`)),
  human_tasks: byKey(sql`${humanTasks}`, "task_id", isOfDoneTask(sql`${humanTasks.task_id}`)),
  tasks: byKey(sql`${tasks}`, "task_id", isDoneTask),
  runs: byKey(sql`${runs}`, "run_id", sql`finished_at is not null`),
  due_skips: (before, limit) => sql`
    delete from ${dueSkips} t using (
      select activity_id, first_due, reason from ${dueSkips} where recorded_at < ${before.toISOString()}
      order by recorded_at limit ${limit}
    ) old where (t.activity_id, t.first_due, t.reason) = (old.activity_id, old.first_due, old.reason)`,
  flow_members: (before, limit) => sql`
    delete from ${flowMembers} t using (
      select window_id, position from ${flowMembers}
      where window_id < ${firstUuidAt(before)}::uuid and ${isOfDoneWindow(sql`${flowMembers.window_id}`)}
      order by window_id limit ${limit}
    ) old where (t.window_id, t.position) = (old.window_id, old.position)`,
  flow_windows: byKey(sql`${flowWindows}`, "window_id", isOfDoneWindow(sql`${flowWindows.window_id}`)),
  event_outcomes: byKey(sql`${eventOutcomes}`, "row_id", isOfSettledEvent(sql`${eventOutcomes.row_id}`)),
  events: byKey(sql`${events}`, "row_id", isSettledEvent),
  own_events: (before, limit) => sql`
    delete from ${ownEvents} t using (
      select event_id from ${ownEvents} where published_at < ${before.toISOString()}
        or (cut_reason is not null and created_at < ${before.toISOString()}) limit ${limit}
    ) old where t.event_id = old.event_id`,
  occurrences: byKey(sql`${occurrences}`, "run_id", isDoneOccurrence),
  event_keys: byKey(sql`${eventKeys}`, "row_id", isOfSettledEvent(sql`${eventKeys.row_id}`)),
  dedupe_keys: (before, limit) => sql`
    delete from ${dedupeKeys} t using (
      select activity_id, key from ${dedupeKeys}
      -- A key whose window is over keeps nothing from running any more.
      where expires_at < now() or expires_at = 'infinity' and accepted_at < ${before.toISOString()} limit ${limit}
      for update skip locked
    ) old where (t.activity_id, t.key) = (old.activity_id, old.key)`,
  audit_log: byKey(sql`${auditLog}`, "entry_id"),
};

export function createSweeper(db: Database): Sweeper {
  return {
    remove: async (table, before, limit) => (await guarded(db.execute(DELETIONS[table](before, limit)))).count,
  };
}
