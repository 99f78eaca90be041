/**
 * Removes what has been kept long enough, oldest first, in small batches with pauses, so that ingest never waits.
 *
 * Tables with the time in their key are walked by it: a batch is a range scan from the old end. Occurrences have it in
 * their run id. An open run, its tasks and its occurrence stay, however old, and so does all of an event that still owes
 * starts, or that a run still reads or is going to read.
 */
import { type SQL, sql } from "drizzle-orm";
import type { Retention } from "../../kernel/config.ts";
import { describeError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Metrics } from "../../kernel/metrics.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { sleep } from "../../kernel/wait.ts";
import { type Database, guarded, type Postgres } from "../client.ts";
import { auditLog, dueSkips, eventKeys, eventOutcomes, events, occurrences, runs, tasks } from "../ledger-tables.ts";
import { holdingLock, LOCKS } from "../lock.ts";

/** Rows of one batch; its statement takes some milliseconds. */
const BATCH = 1000;
const PAUSE_MS = 50;
const EVERY_MS = 3_600_000;
const FIRST_AFTER_MS = 60_000;

interface Sweep {
  table: string;
  /** Deletes at most `batch` rows that were made before. */
  statement: (before: Date, batch: number) => SQL;
  keepMs: number;
}

function sweepsOf({ eventsMs, runsMs, keysMs, auditMs }: Retention): Sweep[] {
  const byKey =
    (table: SQL, key: string, where: SQL = sql`true`) =>
    (before: Date, batch: number) =>
      sql`
    delete from ${table} t using (
      select ${sql.identifier(key)} as id from ${table} where ${sql.identifier(key)} < ${firstUuidAt(before)}::uuid and ${where}
      order by ${sql.identifier(key)} limit ${batch}
    ) old where t.${sql.identifier(key)} = old.id`;
  const ofClosedRun = (runId: SQL) =>
    sql`not exists (select from ${runs} r where r.run_id = ${runId} and r.finished_at is null)`;
  // Both look at partial indexes of what is open, which is little.
  const isRead = (eventId: SQL) => sql`(
    exists (select from ${runs} r where r.event_id = ${eventId} and r.finished_at is null)
    or exists (select from ${occurrences} o where o.event_id = ${eventId} and o.claimed_by is null))`;
  const ofSettledEvent = (rowId: SQL) =>
    sql`not exists (select from ${events} e where e.row_id = ${rowId} and (e.outcome = 'received' or ${isRead(sql`e.event_id`)}))`;
  const isSettledEvent = sql`outcome <> 'received' and not ${isRead(sql`${events.event_id}`)}`;
  const isDoneTask = sql`finished_at is not null and ${ofClosedRun(sql`${tasks.run_id}`)}`;
  const isDoneOccurrence = sql`claimed_by is not null and ${ofClosedRun(sql`${occurrences.run_id}`)}`;
  return [
    { table: "tasks", keepMs: runsMs, statement: byKey(sql`${tasks}`, "task_id", isDoneTask) },
    { table: "runs", keepMs: runsMs, statement: byKey(sql`${runs}`, "run_id", sql`finished_at is not null`) },
    {
      table: "due_skips",
      keepMs: runsMs,
      statement: (before, batch) => sql`
    delete from ${dueSkips} t using (
      select activity_id, first_due, reason from ${dueSkips} where recorded_at < ${before.toISOString()}
      order by recorded_at limit ${batch}
    ) old where (t.activity_id, t.first_due, t.reason) = (old.activity_id, old.first_due, old.reason)`,
    },
    {
      table: "event_outcomes",
      keepMs: eventsMs,
      statement: byKey(sql`${eventOutcomes}`, "row_id", ofSettledEvent(sql`${eventOutcomes.row_id}`)),
    },
    { table: "events", keepMs: eventsMs, statement: byKey(sql`${events}`, "row_id", isSettledEvent) },
    { table: "occurrences", keepMs: keysMs, statement: byKey(sql`${occurrences}`, "run_id", isDoneOccurrence) },
    {
      table: "event_keys",
      keepMs: keysMs,
      statement: byKey(sql`${eventKeys}`, "row_id", ofSettledEvent(sql`${eventKeys.row_id}`)),
    },
    { table: "audit_log", keepMs: auditMs, statement: byKey(sql`${auditLog}`, "entry_id") },
  ];
}

/** Until `signal` aborts; never rejects. */
export async function runRetention(
  postgres: Postgres,
  retention: Retention,
  { metrics, log }: { metrics: Metrics; log: Log },
  signal: AbortSignal,
): Promise<void> {
  for (let waitMs = FIRST_AFTER_MS; !(await sleep(waitMs, signal)); waitMs = EVERY_MS) {
    try {
      await holdingLock(postgres, LOCKS.retention, async () => {
        const swept = await sweep(postgres.db, retention, new Date(), signal);
        for (const [table, rows] of Object.entries(swept)) metrics.swept.inc({ table }, rows);
        if (Object.values(swept).some((rows) => rows > 0)) log.info({ swept }, "rows past their retention removed");
      });
    } catch (error) {
      log.warn({ reason: describeError(error) }, "retention interrupted");
    }
  }
}

/** One pass over all tables; answers the rows removed by table. */
export async function sweep(
  db: Database,
  retention: Retention,
  now: Date,
  signal: AbortSignal,
  batch = BATCH,
): Promise<Record<string, number>> {
  const swept: Record<string, number> = {};
  for (const { table, keepMs, statement } of sweepsOf(retention)) {
    const before = new Date(now.getTime() - keepMs);
    let removed: number;
    do {
      removed = (await guarded(db.execute(statement(before, batch)))).count;
      swept[table] = (swept[table] ?? 0) + removed;
    } while (removed > 0 && !(await sleep(PAUSE_MS, signal)));
  }
  return swept;
}
