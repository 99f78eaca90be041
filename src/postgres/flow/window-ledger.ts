/** Windows in Postgres: which are due, and their closing, which makes their runs (I1, I8). */
import { and, eq, inArray, isNull, lte, sql } from "drizzle-orm";
import type { Activity, ActivityCache } from "../../definition/activity.ts";
import { MAX_WINDOW_BYTES } from "../../definition/flow.ts";
import type { ClosedWindow, Closing, WindowLedger } from "../../flow/window.ts";
import { QUEUED, windowWorkflowId } from "../../occurrence/occurrence.ts";
import { guarded, inTransaction, type Postgres, type Transaction } from "../client.ts";
import { definitions, definitionVersions } from "../definition-tables.ts";
import { type EnvelopeRow, toEnvelope } from "../event/event-contents.ts";
import { flowMembers, flowWindows } from "../flow-tables.ts";
import { eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";
import { toAccepted } from "../occurrence/accepted-run.ts";
import { tellGates } from "./gate-news.ts";
import { closesAt, WINDOWS_CHANNEL } from "./window-times.ts";

/** Windows of one transaction. Routers that have an event for one of them wait for its end. */
const AT_ONCE = 20;

/** A window whose last event is gone must not stay open, and be looked at for ever. */
const NOT_KEPT: Closing = { status: "none", outcome: "skipped", reason: "input_not_kept" };

/** A window that this transaction has locked, with as many of its members as one run may have. */
interface DueRow extends Record<string, unknown> {
  window_id: string;
  activity_id: string;
  version: number;
  /** How many members it has, and how many of them its run gets. */
  events: number;
  taken: number;
  /** The last of those; null where somebody has removed it. */
  last: EnvelopeRow | null;
}

type Closed = ClosedWindow & { version: number; event_id: string | undefined; trace_id: string | undefined };

export function createWindowLedger({ db, sql: client }: Postgres, activities: ActivityCache): WindowLedger {
  return {
    closeDue: (decide) =>
      inTransaction(db, async (tx) => {
        const due = await lockDue(tx);
        if (due.length === 0) return [];
        const current = await readActivities(tx, due);
        const closed = due.map((window) => {
          const activity = current.get(window.activity_id) as Activity;
          return toClosed(window, activity, window.last ? decide(activity, toEnvelope(window.last)) : NOT_KEPT);
        });
        await writeClosed(tx, closed);
        for (const { window_id, events, taken } of due) if (taken < events) await moveRest(tx, window_id, taken);
        return closed;
      }),

    async findNextMs() {
      const next = sql<number | null>`(extract(epoch from min(${flowWindows.closes_at}) - now()) * 1000)::float8`;
      const [row] = await guarded(db.select({ ms: next }).from(flowWindows).where(isNull(flowWindows.closed_at)));
      return row?.ms ?? undefined;
    },

    async onChange(listener) {
      const { unlisten } = await guarded(client.listen(WINDOWS_CHANNEL, listener));
      return unlisten;
    },
  };

  /** The activities of the windows, as they count now. */
  async function readActivities(tx: Transaction, due: readonly DueRow[]): Promise<Map<string, Activity>> {
    const known = due.map(({ activity_id, version }) => activities.find(activity_id, version));
    const missing = due.flatMap(({ activity_id }, index) => (known[index] === undefined ? [activity_id] : []));
    if (missing.length > 0) {
      const { id, name, version, enabled, deleted_at, body } = definitions;
      const fields = { id, name, version, enabled, deleted_at, body, since: definitionVersions.created_at };
      const ofVersion = and(eq(definitionVersions.definition_id, id), eq(definitionVersions.version, version));
      const query = tx.select(fields).from(definitions).innerJoin(definitionVersions, ofVersion);
      for (const { deleted_at, ...row } of await query.where(inArray(id, [...new Set(missing)]))) {
        const deleted = deleted_at !== null;
        known.push(activities.keep({ ...row, deleted, enabled: row.enabled && !deleted }));
      }
    }
    return new Map(known.flatMap((activity) => (activity ? [[activity.id, activity]] : [])));
  }
}

/** What somebody else has locked is being closed by them, or just now gets another member. */
async function lockDue(tx: Transaction): Promise<DueRow[]> {
  const { window_id, closed_at, closes_at } = flowWindows;
  const due = await tx
    .select({ window_id })
    .from(flowWindows)
    .where(and(isNull(closed_at), lte(closes_at, sql`now()`)))
    .orderBy(closes_at)
    .limit(AT_ONCE)
    .for("update", { skipLocked: true });
  if (due.length === 0) return [];
  const ids = JSON.stringify(due.map((row) => row.window_id));
  // A statement of its own: it sees the members that came before the lock.
  return tx.execute<DueRow>(sql`
    select w.window_id, w.activity_id, w.events, d.version, m.position as taken, case when e.row_id is not null then
        json_build_object('event_id', e.event_id, 'type', e.type, 'source', e.source, 'subject', e.subject,
          'occurred_at', e.occurred_at, 'trace_id', e.trace_id, 'attributes', e.attributes, 'payload', e.payload)
      end as last
    from ${flowWindows} w
    join ${definitions} d on d.id = w.activity_id
    cross join lateral (
      select position, row_id from (
        select position, row_id, sum(bytes) over (order by position) as upto from ${flowMembers} where window_id = w.window_id
      ) members
      where position = 1 or position <= w.max_events and upto <= ${MAX_WINDOW_BYTES}
      order by position desc limit 1
    ) m
    left join ${events} e on e.row_id = m.row_id
    where w.window_id in (select json_array_elements_text(${ids}::json)::uuid)`);
}

function toClosed(
  { window_id, activity_id, taken, last }: DueRow,
  { name, version }: Activity,
  closing: Closing,
): Closed {
  const { event_id, trace_id } = last ?? {};
  const about = { window_id, activity_id, activity_name: name, events: taken, closing, version, event_id, trace_id };
  if (closing.status === "none") return about;
  const run_id = Bun.randomUUIDv7();
  const workflow_id = windowWorkflowId(activity_id, window_id);
  return { ...about, run: toAccepted({ run_id, activity_id, activity_name: name, workflow_id }) };
}

async function writeClosed(tx: Transaction, closed: readonly Closed[]): Promise<void> {
  const rows = closed.map(({ closing, run, ...window }) => ({
    ...window,
    ...(run && { run_id: run.run_id, workflow_id: run.workflow_id }),
    ...(closing.status === "none"
      ? { outcome: closing.outcome, reason: closing.reason }
      : { outcome: "run", ...closing }),
  }));
  await tx.execute(sql`
    with closing as (
      select * from json_to_recordset(${JSON.stringify(rows)}::json) as c(window_id uuid, activity_id uuid, activity_name text,
        events integer, version integer, event_id text, trace_id text, run_id uuid, workflow_id text, status text, flow_key text,
        outcome text, reason text)
    ), closed as (
      update ${flowWindows} w set closed_at = now(), run_id = c.run_id, reason = c.reason
      from closing c where w.window_id = c.window_id
    ), made as (
      insert into ${occurrences} (activity_id, kind, key, run_id, event_id, workflow_id, version_used, claimed_by)
      select activity_id, 'window', window_id::text, run_id, event_id, workflow_id, version,
        case when status = 'queued' then ${QUEUED}::text end
      from closing where run_id is not null
    ), opened as (
      insert into ${runs} as r (run_id, activity_id, activity_name, trigger, status, event_id, trace_id, workflow_id, version_used,
        flow_key, window_id)
      select run_id, activity_id, activity_name, 'event', status, event_id, trace_id, workflow_id, version, flow_key, window_id
      from closing where run_id is not null
      returning case when status = 'queued' then ${tellGates(sql`r.activity_id`, sql`r.flow_key`)} end
    )
    update ${eventOutcomes} o set outcome = c.outcome, reason = c.reason, run_id = c.run_id
    from closing c join ${flowMembers} m on m.window_id = c.window_id and m.position <= c.events
    where o.row_id = m.row_id and o.activity_id = c.activity_id`);
}

/** The members that are more than one run may have become those of a new window, in their order. */
async function moveRest(tx: Transaction, window_id: string, taken: number): Promise<void> {
  const next = Bun.randomUUIDv7();
  await tx.execute(sql`
    with moved as (
      update ${flowMembers} set window_id = ${next}::uuid, position = position - ${taken}
      where window_id = ${window_id} and position > ${taken}
      returning row_id, bytes
    ), rest as (
      select count(*) as n, sum(bytes) as bytes, min(e.received_at) as opened_at from moved join ${events} e using (row_id)
    ), kept as (
      update ${flowWindows} w set events = ${taken}, bytes = w.bytes - rest.bytes from rest where window_id = ${window_id}
      returning w.*
    )
    insert into ${flowWindows} (window_id, activity_id, flow_key, kind, quiet_ms, max_wait_ms, max_events, opened_at, last_at,
      closes_at, events, bytes)
    select ${next}::uuid, activity_id, flow_key, kind, quiet_ms, max_wait_ms, max_events, rest.opened_at, last_at,
      ${closesAt({
        events: sql`n`,
        bytes: sql`rest.bytes`,
        opened: sql`rest.opened_at`,
        last: sql`last_at`,
        rule: sql`kept`,
      })}, n, rest.bytes
    from kept, rest`);
}
