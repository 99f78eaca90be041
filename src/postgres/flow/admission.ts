/**
 * How runs that wait are let in: counted, judged and written in one transaction, under a lock of their activity, so that no two count
 * at once. The lock comes before the rows, in everything that takes both.
 */
import { type SQL, sql } from "drizzle-orm";
import { compileFlow, type Flow, type FlowInput } from "../../definition/flow.ts";
import { type GateVerdict, HOLDERS_SHOWN, judgeLine, type LineFacts, type WaitsFor } from "../../flow/gate.ts";
import type { Line } from "../../flow/gate-keeper.ts";
import { type OccurrenceKind, QUEUED } from "../../occurrence/occurrence.ts";
import type { RunStatus } from "../../run/run.ts";
import type { Database, Transaction } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { runNews, WAKE_PUBLISHER } from "../event/run-news.ts";
import { eventKeys, eventOutcomes, occurrences, runs } from "../ledger-tables.ts";

/** The first of the two numbers of the lock; the second one is made of the activity's id. */
const LOCK = 721_846;
/** How many runs of a line one look lets in or skips. */
const BATCH = 100;

/** The gates of an activity, while their lock is held. */
export interface Gates {
  flow: Flow;
  /** The ledger's clock. */
  now: Date;
}

/** A run that a look let in or skipped. */
export interface Judged extends Record<string, unknown> {
  run_id: string;
  activity_id: string;
  activity_name: string;
  status: Extract<RunStatus, "running" | "skipped">;
  reason: string | null;
  detail: string | null;
  /** Of its occurrence. */
  kind: OccurrenceKind;
  event_id: string | null;
  /** Null: it follows from the occurrence. */
  workflow_id: string | null;
}

/** Holds the lock until the transaction ends. `relaxed`: its commit does not wait for the disk. */
export async function lockGates(tx: Transaction, activityId: string, { relaxed = false } = {}): Promise<Gates> {
  const [row] = await tx.execute<{ now: string; flow: FlowInput | null }>(sql`
    select pg_advisory_xact_lock(${LOCK}, hashtext(lower(${activityId}::text)))::text as locked, clock_timestamp() as now,
      (select body->'flow' from ${definitions} where id = ${activityId}) as flow,
      ${relaxed ? sql`set_config('synchronous_commit', 'off', true)` : sql`null`} as relaxed`);
  // A definition that has no gates any more lets all of its runs in.
  return { flow: compileFlow(row?.flow ?? undefined) ?? {}, now: new Date(row?.now ?? Date.now()) };
}

/** How a line stands. It is counted anew each time. */
export async function readLine(db: Database | Transaction, line: Line, { flow, now }: Gates): Promise<LineFacts> {
  const { activity_id, flow_key } = line;
  const { rateLimit: rate, maxConcurrent: most } = flow;
  // Without a key all runs of the activity count, also those from before it had gates, or when it had a key.
  const isGoing = sql`from ${runs} where activity_id = ${activity_id} and status = 'running'
    ${most?.key === undefined ? sql`` : sql`and flow_key = ${flow_key}`}`;
  const since = new Date(now.getTime() - (rate?.perMs ?? 0)).toISOString();
  const isRecent = sql`from ${runs} where activity_id = ${activity_id} and flow_key = ${flow_key}
    and admitted_at > ${since}::timestamptz`;
  const [row] = await db.execute<Omit<LineFacts, "oldest"> & { oldest: string | null } & Record<string, unknown>>(sql`
    select
      (select coalesce(json_agg(run_id), '[]') from (select run_id from ${runs}
        where activity_id = ${activity_id} and flow_key = ${flow_key} and status = 'queued' order by run_id limit ${BATCH}) q) as queued,
      (select count(*)::integer from (select ${isGoing} limit ${most?.count ?? 0}) g) as going,
      (select coalesce(json_agg(run_id), '[]') from (select run_id ${isGoing} order by run_id limit ${most ? HOLDERS_SHOWN : 0}) h) as holders,
      (select count(*)::integer from (select ${isRecent} limit ${rate?.count ?? 0}) a) as recent,
      (select min(admitted_at) from (select admitted_at ${isRecent} order by admitted_at limit ${rate ? 1 : 0}) a) as oldest`);
  if (row === undefined) throw new Error("a line that was asked for was not answered");
  return { ...row, oldest: row.oldest === null ? undefined : new Date(row.oldest) };
}

/** Looks at a line under the lock of its activity. `only`: at this run alone, if it is the first one of its line. */
export async function admit(
  tx: Transaction,
  line: Line,
  gates: Gates,
  only?: string,
): Promise<{ judged: Judged[]; waitsFor?: WaitsFor; again: boolean }> {
  const facts = await readLine(tx, line, gates);
  const queued =
    only === undefined ? facts.queued : facts.queued.filter((run_id, place) => place === 0 && run_id === only);
  const verdict = judgeLine(gates.flow, { ...facts, queued }, gates.now);
  const { waitsFor } = verdict;
  return {
    judged: await carryOut(tx, verdict),
    ...(waitsFor && { waitsFor }),
    again: waitsFor === undefined && queued.length === BATCH,
  };
}

async function carryOut(tx: Transaction, { run, skip }: GateVerdict): Promise<Judged[]> {
  if (run.length + skip.length === 0) return [];
  const rows = [...run.map((run_id) => ({ run_id })), ...skip];
  return tx.execute<Judged>(sql`
    with verdict as (
      select run_id, reason, detail, n from json_to_recordset(${JSON.stringify(rows.map((row, n) => ({ n, ...row })))}::json)
        as v(run_id uuid, reason text, detail text, n integer)
    ), changed as (
      update ${runs} r set reason = v.reason, detail = v.detail, ${endOfWait(sql`v.reason is null`)}
      from verdict v where r.run_id = v.run_id and r.status = 'queued'
      returning r.*, v.n
    ), released as (
      -- Unclaimed, it is owed a workflow, unless the workflow that looks has claimed it.
      update ${occurrences} o set claimed_by = case when c.status = 'skipped' then 'skipped' end
      from changed c where o.run_id = c.run_id and o.claimed_by = ${QUEUED}
    ), told as (
      update ${eventOutcomes} e set outcome = case when c.status = 'skipped' then 'skipped' else 'run' end, reason = c.detail
      from changed c join ${eventKeys} k on k.event_id = c.event_id
      where e.row_id = k.row_id and e.activity_id = c.activity_id and e.run_id = c.run_id and e.outcome = 'queued'
    ), closed as (
      select * from changed where status = 'skipped'
    )${runNews(sql`closed`)}
    select ${WAKE_PUBLISHER}, c.run_id, c.activity_id, c.activity_name, c.event_id, c.status, c.reason, c.detail, o.kind, o.workflow_id
    from changed c join ${occurrences} o on o.run_id = c.run_id order by c.n`);
}

/**
 * What is written of a run that waits no more: it begins, or is over. The time is that of this moment, after the line was read: what
 * was not going any more then has ended before it.
 */
function endOfWait(begins: SQL): SQL {
  return sql`status = case when ${begins} then 'running' else 'skipped' end,
        admitted_at = case when ${begins} then clock_timestamp() end,
        fired_at = case when ${begins} then clock_timestamp() else r.fired_at end,
        finished_at = case when ${begins} then null else clock_timestamp() end`;
}
