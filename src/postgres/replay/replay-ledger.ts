/** Replays in Postgres: which activities ran for which events, and the runs that are accepted for those to be run again. */
import { asc, type SQL, sql } from "drizzle-orm";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { QUEUED, replayKey, replayWorkflowId } from "../../occurrence/occurrence.ts";
import type { AcceptedReplay, ReplayLedger, WantedReplay } from "../../replay/replay-ledger.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, guarded, inTransaction, type Transaction } from "../client.ts";
import { tellGates } from "../flow/gate-news.ts";
import { flowMembers, flowWindows } from "../flow-tables.ts";
import { eventKeys, eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";
import { toAccepted } from "../occurrence/accepted-run.ts";
import { cameByStream, eventFields, toRecordedEvent } from "../rehearsal/history-reader.ts";

/** Bytes of the payloads, as JSON, that are read at once; one event is, however large. */
const READ_BYTES = 8_388_608;

export function createReplayLedger(db: Database): ReplayLedger {
  return {
    async findRan(activityIds, eventId) {
      const rows = await guarded(
        db.execute<{ activity_id: string; ran: boolean; run_id: string | null }>(sql`
          select a.id as activity_id, ${ranFor(sql`a.id`, sql`k.event_id`, sql`k.row_id`)} as ran,
            coalesce((select o.run_id from ${occurrences} o where o.activity_id = a.id and o.kind in ('event', 'replay')
              and o.key = k.event_id order by o.kind limit 1), (select r.run_id from ${eventOutcomes} r
              where r.row_id = k.row_id and r.activity_id = a.id)) as run_id
          from ${eventKeys} k, json_array_elements_text(${JSON.stringify(activityIds)}::json) as t(text),
            lateral (select t.text::uuid as id) a
          where k.event_id = ${eventId}`),
      );
      return new Map(rows.filter(({ ran }) => ran).map(({ activity_id, run_id }) => [activity_id, { run_id }]));
    },

    accept: (wanted, { onlyMissing, audit }) =>
      inTransaction(db, async (tx) => {
        const accepted: AcceptedReplay[] = [];
        const tried = new Map<string, number>();
        for (let left = wanted; left.length > 0; ) {
          accepted.push(...(await insert(tx, left, onlyMissing, tried)));
          // The number of one that is left is taken: by a replay of the same moment, or as the key of an event of such an id.
          const done = new Set(accepted.map(placeOf));
          left = onlyMissing ? [] : left.filter((one) => !done.has(placeOf(one)));
        }
        if (accepted.length > 0)
          await writeAudit(tx, { ...audit, action: "replay", after: { ...audit.after, runs: accepted.length } });
        return accepted;
      }),

    async listPast(activityId, { types, from, to }, { limit, after }) {
      const last = firstUuidAt(new Date(to.getTime() + 1));
      const [only, ...others] = types;
      // One type is found by the index of types.
      const isOfType =
        others.length === 0
          ? sql`type = ${only ?? null}`
          : sql`type in (select json_array_elements_text(${JSON.stringify(types)}::json))`;
      const isBehind = after === undefined ? sql`true` : sql`row_id > ${after}::uuid`;
      // A page ends after so many events, however many of them ran: each call looks at a bounded number of rows.
      return guarded(
        db.execute<{ row_id: string; ran: boolean }>(sql`
          with page as materialized (
            select row_id, event_id from ${events}
            where row_id >= ${firstUuidAt(from)}::uuid and row_id < ${last}::uuid and ${isBehind}
              and ${isOfType} and ${cameByStream}
            order by row_id limit ${limit}
          )
          select row_id, ${ranFor(sql`${activityId}::uuid`, sql`page.event_id`, sql`page.row_id`)} as ran
          from page order by row_id`),
      );
    },

    async readEvents(rowIds) {
      const bytes = sql`sum(coalesce(octet_length(${events.payload}::text), 0)) over (order by ${events.row_id})`;
      const own = sql`coalesce(octet_length(${events.payload}::text), 0)`;
      const chosen = sql`(select row_id from (select ${events.row_id}, ${bytes} - ${own} as before from ${events}
        where ${events.row_id} in (select json_array_elements_text(${JSON.stringify(rowIds)}::json)::uuid)) sized
        where before < ${READ_BYTES})`;
      const query = db.select(eventFields).from(events).where(sql`${events.row_id} in ${chosen}`);
      return (await guarded(query.orderBy(asc(events.row_id)))).map(toRecordedEvent);
    },
  };
}

/** Whether the activity ran for the event, as replay/replay-ledger.ts says it. What it is given may be columns of `w`, `a` or `page`. */
function ranFor(activity: SQL, eventId: SQL, rowId: SQL): SQL {
  return sql`(
    exists (select from ${occurrences} past
      where past.activity_id = ${activity} and past.kind in ('event', 'replay') and past.key = ${eventId})
    or exists (select from ${eventOutcomes} reached
      where reached.row_id = ${rowId} and reached.activity_id = ${activity} and reached.outcome = 'duplicate')
    or exists (select from ${flowMembers} member join ${flowWindows} gathered on gathered.window_id = member.window_id
      where member.row_id = ${rowId} and gathered.activity_id = ${activity} and gathered.reason is null))`;
}

function placeOf({ activity_id, event_id }: Pick<WantedReplay, "activity_id" | "event_id">): string {
  return `${activity_id} ${event_id}`;
}

/**
 * The number of the newest replay, where there is one. The id of another event may look like a replay of this one, and an event's
 * own id may end as a number does: only what this event was replayed as is counted, by what follows the id.
 */
async function findLastNumbers(tx: Transaction, wanted: readonly WantedReplay[]): Promise<Map<string, number>> {
  const asked = wanted.map(({ activity_id, event_id }) => ({ activity_id, event_id }));
  const rows = await tx.execute<{ activity_id: string; event_id: string; last: number }>(sql`
    select w.activity_id, w.event_id, max(case when o.key = w.event_id then 1
      else substring(substr(o.key, length(w.event_id) + 1) from '^:replay-([0-9]+)$')::integer end) as last
    from json_to_recordset(${JSON.stringify(asked)}::json) as w(activity_id uuid, event_id text)
    join ${occurrences} o on o.activity_id = w.activity_id and o.kind = 'replay' and o.event_id = w.event_id
      and (o.key = w.event_id or starts_with(o.key, w.event_id || ':replay-'))
    group by w.activity_id, w.event_id`);
  return new Map(rows.map((row) => [placeOf(row), row.last]));
}

/**
 * Leaves out those whose number is taken, and with `onlyMissing` those whose activity ran for the event.
 * @param tried the number of each that was tried last, by its place; none is tried twice
 */
async function insert(
  tx: Transaction,
  wanted: readonly WantedReplay[],
  onlyMissing: boolean,
  tried: Map<string, number>,
): Promise<AcceptedReplay[]> {
  const numbers = onlyMissing ? new Map<string, number>() : await findLastNumbers(tx, wanted);
  const rows = wanted.map((one) => {
    const place = placeOf(one);
    const number = Math.max(numbers.get(place) ?? 0, tried.get(place) ?? 0) + 1;
    tried.set(place, number);
    const { activity_id, event_id } = one;
    return {
      ...one,
      run_id: Bun.randomUUIDv7(),
      key: replayKey(event_id, number),
      workflow_id: replayWorkflowId(activity_id, event_id, number),
    };
  });
  const made = await tx.execute<{ run_id: string; rerun_of: string | null; told: string | null }>(sql`
    with wanted as (
      select w.*, k.row_id from json_to_recordset(${JSON.stringify(rows)}::json) as w(activity_id uuid, activity_name text,
        version integer, event_id text, trace_id text, run_id uuid, key text, workflow_id text, flow_key text)
      left join ${eventKeys} k on k.event_id = w.event_id
    ), taken as (
      insert into ${occurrences} (activity_id, kind, key, run_id, event_id, workflow_id, version_used, claimed_by)
      select activity_id, 'replay', key, run_id, event_id, workflow_id, version,
        case when flow_key is not null then ${QUEUED} end
      from wanted w
      where ${!onlyMissing} or not ${ranFor(sql`w.activity_id`, sql`w.event_id`, sql`w.row_id`)}
      order by activity_id, key
      on conflict do nothing
      returning run_id
    )
    insert into ${runs} as r (run_id, activity_id, activity_name, trigger, status, event_id, trace_id, workflow_id, version_used, flow_key,
      rerun_of)
    select run_id, w.activity_id, activity_name, 'replay', case when flow_key is null then 'running' else 'queued' end,
      w.event_id, w.trace_id, w.workflow_id, version, flow_key,
      (select o.run_id from ${occurrences} o
        where o.activity_id = w.activity_id and o.kind = 'event' and o.key = w.event_id)
    from taken join wanted w using (run_id)
    returning run_id, rerun_of, case when r.flow_key is not null then ${tellGates(sql`r.activity_id`, sql`r.flow_key`)} end as told`);
  const byRun = new Map(rows.map((row) => [row.run_id, row]));
  return made.flatMap(({ run_id, rerun_of }) => {
    const row = byRun.get(run_id);
    if (row === undefined) return [];
    const { activity_id, activity_name, workflow_id, event_id, flow_key } = row;
    const waits = flow_key === null ? {} : { waits: true as const };
    return [{ ...toAccepted({ activity_id, activity_name, run_id, workflow_id }), ...waits, event_id, rerun_of }];
  });
}
