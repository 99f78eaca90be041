/** Which activities are watched for silence in Postgres, since when, and whether they are overdue. */
import { count, inArray, min, type SQL, sql } from "drizzle-orm";
import { watchedWithinMs } from "../../definition/expectation.ts";
import type { ExpectationChange, ExpectationLedger, WatchedActivity } from "../../expectation/expectation-watch.ts";
import { guarded, inTransaction, type Postgres, type Transaction } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { insertOwnEvents } from "../event/own-event-outbox.ts";
import { dueProgress, eventKeys, events, expectations, occurrences, runs } from "../ledger-tables.ts";
import { joinAbsence } from "../schedule/due-watch.ts";

type DefinitionRow = typeof definitions.$inferSelect;

/** Begins and ends watching as definitions change, in the transaction of the change. */
export async function watchChanged(
  tx: Transaction,
  changes: readonly { before?: DefinitionRow; after: DefinitionRow }[],
): Promise<void> {
  const changed = changes
    .map(({ before, after }) => ({ id: after.id, was: before && watchedWithinMs(before), is: watchedWithinMs(after) }))
    .filter(({ was, is }) => was !== is);
  const ended = changed.filter(({ is }) => is === undefined).map(({ id }) => id);
  if (ended.length > 0) await tx.delete(expectations).where(inArray(expectations.definition_id, ended));
  const begun = changed.filter(({ is }) => is !== undefined).map(({ id, is }) => ({ id, ms: is }));
  if (begun.length === 0) return;
  await tx.execute(sql`
    insert into ${expectations} (definition_id, success_within_ms, counts_from, look_at)
    select id, ms, now(), now() + ms * interval '1 ms' from json_to_recordset(${JSON.stringify(begun)}::json) as b(id uuid, ms bigint)
    on conflict (definition_id) do update set success_within_ms = excluded.success_within_ms,
      counts_from = excluded.counts_from, overdue_since = null, look_at = excluded.look_at`);
}

export function createExpectationLedger({ db, prepared }: Postgres): ExpectationLedger {
  return {
    async listToLookAt(now, limit) {
      const toLookAt = sql`(
        select * from ${expectations} x where look_at <= ${now.toISOString()}::timestamptz
          or (overdue_since is not null and exists (
            select from ${runs} where activity_id = x.definition_id and status = 'succeeded'
              and finished_at > x.overdue_since - x.success_within_ms * interval '1 ms'))
        order by look_at limit ${limit})`;
      const rows = await guarded(prepared.execute<WatchedRow>(factsStatement(now, toLookAt)));
      return rows.map(toWatched);
    },

    lookAgain: (activityIds, now, judge) =>
      inTransaction(db, async (tx) => {
        // A definition that is being changed begins or ends to be watched: its row is skipped, and nobody waits for the other.
        const ids = sql`(select json_array_elements_text(${JSON.stringify(activityIds)}::json)::uuid)`;
        const rows = await tx.execute<WatchedRow>(
          sql`${factsStatement(now)} where e.definition_id in ${ids} for update of e skip locked`,
        );
        const changes = rows.map(toWatched).map(judge);
        await store(tx, changes);
        await insertOwnEvents(
          tx,
          changes.flatMap(({ news }) => news ?? []),
        );
        return changes.length;
      }),

    async sum() {
      const { overdue_since, look_at } = expectations;
      const query = db.select({ overdue: count(overdue_since), next_look_at: min(look_at) }).from(expectations);
      const [row] = await guarded(query);
      return row ?? { overdue: 0, next_look_at: null };
    },
  };
}

async function store(tx: Transaction, changes: readonly ExpectationChange[]): Promise<void> {
  const rows = changes.map(({ news: _, ...row }) => row);
  await tx.execute(sql`
    update ${expectations} e set counts_from = c.counts_from, overdue_since = c.overdue_since, look_at = c.look_at
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as c(activity_id uuid, counts_from timestamptz, overdue_since timestamptz, look_at timestamptz)
    where e.definition_id = c.activity_id`);
}

/** Times of a raw statement are text, and a bigint is one too. */
export interface WatchedRow extends Record<string, unknown> {
  activity_id: string;
  activity_name: string;
  success_within: string | number;
  success_within_ms: string;
  trigger: WatchedActivity["trigger"];
  counts_from: string;
  overdue_since: string | null;
  settled_until: string | null;
  seen_paused_at: string | null;
  success_run: string | null;
  success_at: string | null;
  is_going: boolean;
  absent_from: string | null;
  absent_until: string | null;
  cause: WatchedActivity["cause"];
}

/** What is going is little, and read once for all; the last success of each is the end of its part of an index. */
export function factsStatement(now: Date, of: SQL = sql`${expectations}`): SQL {
  return sql`
    with going as materialized (
      select activity_id from ${runs} where finished_at is null
      union select activity_id from ${occurrences} where claimed_by is null
    )
    select e.definition_id as activity_id, d.name as activity_name, d.body->'expect'->'success_within' as success_within,
      d.body->'trigger_config' as trigger, e.success_within_ms, e.counts_from, e.overdue_since, p.settled_until, p.seen_paused_at,
      s.run_id as success_run, s.finished_at as success_at, absence.absent_from, absence.absent_until,
      e.definition_id in (select activity_id from going) as is_going,
      (select json_build_object('source', v.source, 'payload', v.payload) from ${eventKeys} k join ${events} v using (row_id)
        where k.event_id = s.event_id and v.source = 'actcore') as cause
    from ${of} e join ${definitions} d on d.id = e.definition_id
      left join ${dueProgress} p on p.definition_id = e.definition_id
      ${joinAbsence(now)}
      left join lateral (
        select run_id, finished_at, event_id from ${runs} where activity_id = e.definition_id and status = 'succeeded'
        order by finished_at desc limit 1
      ) s on true`;
}

export function toWatched(row: WatchedRow): WatchedActivity {
  const { success_run, absent_from, absent_until, success_at, ...rest } = row;
  return {
    ...rest,
    success_within_ms: Number(row.success_within_ms),
    counts_from: new Date(row.counts_from),
    overdue_since: toDate(row.overdue_since),
    settled_until: toDate(row.settled_until),
    seen_paused_at: toDate(row.seen_paused_at),
    last_success: success_run === null ? null : { run_id: success_run, at: new Date(success_at as string) },
    absence:
      absent_from === null
        ? undefined
        : { from: new Date(absent_from), ...(absent_until !== null && { until: new Date(absent_until) }) },
  };
}

function toDate(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}
