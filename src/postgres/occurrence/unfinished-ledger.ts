/** What a crash left half done, found by partial indexes that are empty while all is well. */
import { and, asc, eq, gt, isNotNull, isNull, lt, ne, or, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import type { OwedEvent, UnfinishedLedger } from "../../occurrence/finisher.ts";
import { runTraceId } from "../../occurrence/occurrence.ts";
import { guarded, type Postgres } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { readKnown } from "../event/event-ledger.ts";
import { runNews, WAKE_PUBLISHER } from "../event/run-news.ts";
import { TELL_IF_COUNTED } from "../flow/gate-news.ts";
import { eventKeys, events, occurrences, runs } from "../ledger-tables.ts";
import { tasks } from "../task-tables.ts";
import { toOwed } from "./accepted-run.ts";

/** Whether a row was made before `before`, and comes after the row `after` where there is one. */
function isListed(id: PgColumn, before: Date, after: string | undefined): SQL | undefined {
  return and(lt(id, firstUuidAt(before)), after === undefined ? undefined : gt(id, after));
}

export function createUnfinishedLedger({ db }: Postgres): UnfinishedLedger {
  return {
    async listOwedEvents(before, limit, after) {
      const owed = and(eq(events.outcome, "received"), isListed(events.row_id, before, after));
      const query = db.select({ row_id: events.row_id, event_id: events.event_id }).from(events).where(owed);
      const rows = await guarded(query.orderBy(asc(events.row_id)).limit(limit));
      if (rows.length === 0) return [];
      const ids = rows.map(({ event_id }) => event_id);
      const recorded = new Map((await readKnown(db, ids)).map((event) => [event.event_id, event]));
      return rows.flatMap(({ row_id, event_id }): OwedEvent[] => {
        const event = recorded.get(event_id);
        return event === undefined ? [] : [{ row_id, ...event }];
      });
    },

    async listUnclaimed(before, limit, after) {
      const rows = await guarded(
        db
          .select({ occurrence: occurrences, activity_name: definitions.name })
          .from(occurrences)
          .innerJoin(definitions, eq(definitions.id, occurrences.activity_id))
          .leftJoin(runs, eq(runs.run_id, occurrences.run_id))
          .where(
            and(
              isNull(occurrences.claimed_by),
              isListed(occurrences.run_id, before, after),
              // One that waited before is as old as its admission.
              or(isNull(runs.admitted_at), lt(runs.admitted_at, before)),
            ),
          )
          .orderBy(asc(occurrences.run_id))
          .limit(limit),
      );
      return rows.map(({ occurrence, activity_name }) => toOwed({ ...occurrence, activity_name }));
    },

    async listOpenRuns(before, limit, after) {
      // Runs that nobody has claimed are listed by listUnclaimed: a missing workflow does not mean there that the run is lost.
      const claimed = or(isNull(occurrences.run_id), isNotNull(occurrences.claimed_by));
      const open = and(
        isNull(runs.finished_at),
        ne(runs.status, "queued"),
        isListed(runs.run_id, before, after),
        claimed,
      );
      const { run_id, activity_id, workflow_id } = runs;
      const { claimed_by } = occurrences;
      const query = db.select({ run_id, activity_id, workflow_id, claimed_by }).from(runs);
      const found = query.leftJoin(occurrences, eq(occurrences.run_id, runs.run_id)).where(open);
      const rows = await guarded(found.orderBy(asc(runs.run_id)).limit(limit));
      return rows.map(({ claimed_by, ...row }) => ({ ...row, ...(claimed_by !== null && { claimed_by }) }));
    },

    async listCancelRequested(before, limit, after) {
      const { task_id, cancel_requested_at } = tasks;
      const { activity_id, workflow_id } = runs;
      const { claimed_by } = occurrences;
      const isNext = after === undefined ? undefined : gt(task_id, after);
      const asked = and(isNull(tasks.finished_at), isNull(runs.finished_at), lt(cancel_requested_at, before), isNext);
      const query = db.select({ task_id, activity_id, workflow_id, claimed_by }).from(tasks);
      const found = query
        .innerJoin(runs, eq(runs.run_id, tasks.run_id))
        .innerJoin(occurrences, and(eq(occurrences.run_id, runs.run_id), isNotNull(claimed_by)))
        .where(asked);
      const rows = await guarded(found.orderBy(asc(task_id)).limit(limit));
      return rows.map(({ claimed_by, ...row }) => ({ ...row, ...(claimed_by !== null && { claimed_by }) }));
    },

    async recordLost({ run_id, activity_id, workflow_id, trigger_event }, reason) {
      const traceId = runTraceId(run_id, "event_id" in trigger_event ? trigger_event.event_id : null);
      const recorded = await guarded(
        db.execute(sql`
          with lost as (
            update ${occurrences} o set claimed_by = ${reason}, version_used = coalesce(o.version_used, d.version)
            from ${definitions} d where d.id = o.activity_id and o.run_id = ${run_id} and o.claimed_by is null
            returning o.event_id, o.version_used, d.name
          ), closed as (
            insert into ${runs} as r (run_id, activity_id, activity_name, trigger, status, reason, error, finished_at, event_id,
              trace_id, workflow_id, version_used, tasks_spawned)
            select ${run_id}::uuid, ${activity_id}::uuid, name, 'event', 'failed', ${reason},
              'its workflow ended before it began', now(), event_id, coalesce((
                select e.trace_id from ${eventKeys} k join ${events} e on e.row_id = k.row_id where k.event_id = lost.event_id
              ), ${traceId}), ${workflow_id}, version_used, 0
            from lost
            on conflict (run_id) do update set status = 'failed', reason = excluded.reason, error = excluded.error,
              finished_at = now() where r.finished_at is null
            returning r.*, ${TELL_IF_COUNTED} as counted
          )${runNews(sql`closed`)}
          select run_id, ${WAKE_PUBLISHER} from closed`),
      );
      return recorded.length > 0;
    },
  };
}
