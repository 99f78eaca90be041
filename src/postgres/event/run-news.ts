/**
 * The end of a run as an event of actcore's own, `actcore.run.{status}`, written by the statement that closes the run (I8). The
 * event's id follows from the run, and from how often it was opened again.
 */
import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { CHAIN_TOO_LONG, MAX_OWN_EVENT_DEPTH } from "../../event/own-event.ts";
import type { RunView } from "../../explain/run-view.ts";
import { PUBLISH_ALL } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { flowMembers } from "../flow-tables.ts";
import { ownEvents, runs } from "../ledger-tables.ts";
import { OWN_EVENTS_CHANNEL } from "./own-event-outbox.ts";

/** The id of the own event about the end of a run, of which these are the columns. */
const newsId = ({ status, run_id, reopened }: Record<"status" | "run_id" | "reopened", SQL | PgColumn>) =>
  sql`'actcore.run.' || ${status} || ':' || ${run_id} || ':' || ${reopened}`;

/** Of a row of `runs`: what was told of its end, as readers see it. */
export const NEWS_OF_RUN = sql<RunView["outcome_event"]>`(
  select json_build_object('event_id', o.event_id, 'published_at', ${utc(sql`o.published_at`)}, 'cut_reason', o.cut_reason)
  from ${ownEvents} o where o.event_id = ${newsId(runs)})`;

/**
 * A part of a statement, `, news as (…)`, that writes the event of each run that the part `closed` of it answers, as whole rows.
 * Runs whose definitions say nothing of it are told of where the connection's setting says so (postgres/client.ts).
 */
export function runNews(closed: SQL): SQL {
  return sql`, news as (
    insert into ${ownEvents} (event_id, type, subject, payload, depth, chain, cut_reason)
    select ${newsId({ status: sql`r.status`, run_id: sql`r.run_id`, reopened: sql`r.reopened` })}, 'actcore.run.' || r.status, r.run_id,
      json_build_object('run_id', r.run_id, 'activity_id', r.activity_id, 'activity_name', r.activity_name,
        'trigger', r.trigger, 'status', r.status, 'reason', r.reason, 'detail', r.detail, 'error', r.error,
        'scheduled_for', ${utc(sql`r.scheduled_for`)}, 'fired_at', ${utc(sql`r.fired_at`)},
        'finished_at', ${utc(sql`r.finished_at`)}, 'event_id', r.event_id, 'trace_id', r.trace_id, 'version', r.version_used,
        'rerun_of', r.rerun_of, 'path', '/runs/' || r.run_id, 'depth', led.depth, 'chain', led.chain),
      led.depth, led.chain, case when led.depth >= ${MAX_OWN_EVENT_DEPTH} then ${CHAIN_TOO_LONG} end
    from ${closed} r join ${definitions} d on d.id = r.activity_id
      left join lateral (
        -- Of events that were gathered, the one with the longest chain.
        select o.event_id, o.depth, o.chain from ${ownEvents} o where o.event_id = r.event_id
        union all
        select o.event_id, o.depth, o.chain from ${flowMembers} m join ${ownEvents} o using (event_id) where m.window_id = r.window_id
        order by depth desc nulls last limit 1
      ) before on true
      cross join lateral (
        select coalesce(before.depth, case when before.event_id is null then 0 else 1 end) + 1 as depth,
          ('[' || coalesce(nullif(btrim(before.chain::text, '[]'), '') || ', ', '') || to_json(r.run_id) || ']')::json as chain
      ) led
    where coalesce(d.publish_outcome, current_setting(${PUBLISH_ALL}, true) = 'on')
    on conflict do nothing
    returning event_id
  )`;
}

/** A column of the same statement's answer, without which nobody would hear soon of the news. */
export const WAKE_PUBLISHER = sql`(select pg_notify(${OWN_EVENTS_CHANNEL}, '')::text from news limit 1) as woken`;

/** As answers show times. */
function utc(time: SQL): SQL {
  return sql`to_char(${time} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
