/**
 * The statement that records events: keys, events, what they reached, and the occurrences that they claim, in one round trip
 * and one transaction (I1, I2).
 *
 * There are two texts of it. The longer one serves groups of which some event reaches an activity with dedupe keys or a flow; no
 * other group pays for that.
 *
 * Routers with overlapping groups wait for each other and do not deadlock, because all of them take rows in one order: event keys,
 * then dedupe keys, then windows, and those of each table by their keys.
 */
import { type SQL, sql } from "drizzle-orm";
import type { MatchedEvent } from "../../event/event-ledger.ts";
import type { Match } from "../../event/match.ts";
import { stableTraceId } from "../../kernel/stable-id.ts";
import { eventWorkflowId, QUEUED } from "../../occurrence/occurrence.ts";
import { type Database, guarded, type Transaction } from "../client.ts";
import { tellGates } from "../flow/gate-news.ts";
import { closesAt, WINDOWS_CHANNEL } from "../flow/window-times.ts";
import { dedupeKeys, flowMembers, flowWindows } from "../flow-tables.ts";
import { eventKeys, eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";

/** A match of which the ledger made something else than was intended. */
type Changed = Pick<Match, "activity_id" | "outcome"> & { reason: string | null };

/**
 * Records the events that are new. A key that a foreign start has taken is taken over where it is among `takenOver`: its row stays,
 * because a run reads it, and what that start did not reach is added. Answers what the new ones reached, by their ids.
 */
export async function insertNew(
  db: Database | Transaction,
  matched: readonly MatchedEvent[],
  takenOver: ReadonlySet<string>,
): Promise<Map<string, readonly Match[]>> {
  const rows = await guarded(
    db.execute<{ event_id: string; changed: Changed[] | null }>(recordStatement(matched, takenOver)),
  );
  const reached = new Map(matched.map(({ envelope, matches }) => [envelope.event_id, matches]));
  return new Map(
    rows.map(({ event_id, changed }) => {
      const byActivity = new Map(changed?.map((match) => [match.activity_id, match]));
      const matches = reached.get(event_id) ?? [];
      return [event_id, changed === null ? matches : matches.map((match) => apply(match, byActivity))];
    }),
  );
}

function apply(match: Match, changed: ReadonlyMap<string, Changed>): Match {
  const { outcome, reason } = changed.get(match.activity_id) ?? match;
  return { ...match, outcome, ...(reason != null && { reason }) };
}

function recordStatement(matched: readonly MatchedEvent[], takenOver: ReadonlySet<string>): SQL {
  const eventRows = matched.map(({ envelope, outcome }) => ({
    ...envelope,
    row_id: Bun.randomUUIDv7(),
    takes_over: takenOver.has(envelope.event_id),
    outcome,
    attributes: envelope.attributes && JSON.stringify(envelope.attributes),
    payload: JSON.stringify(envelope.payload === undefined ? {} : envelope.payload),
    trace_id: envelope.trace_id ?? stableTraceId(envelope.event_id),
  }));
  const hasFlow = matched.some(({ matches }) => matches.some(isInFlow));
  const outcomeRows = matched.flatMap(({ envelope: { event_id }, matches }, nth) =>
    matches.map(({ window, ...match }) => ({
      ...match,
      event_id,
      run_id: match.outcome === "run" || match.outcome === "queued" ? Bun.randomUUIDv7() : null,
      ...(hasFlow && { nth, ...window }),
      ...(match.outcome === "queued" && { workflow_id: eventWorkflowId(match.activity_id, event_id) }),
      ...(match.outcome === "collected" && { window_id: Bun.randomUUIDv7() }),
    })),
  );
  const decided = hasFlow ? sql`decided` : sql`matched`;
  // A payload travels as text within the rows: read as their JSON, its U+0000 and lone surrogates would be refused.
  return sql`
    with input as (
      select * from json_to_recordset(${JSON.stringify(eventRows)}::json) as e(row_id uuid, takes_over boolean, event_id text,
        outcome text, type text, source text, subject text, occurred_at text, trace_id text, attributes text, payload text)
    ), keyed as (
      insert into ${eventKeys} as k (event_id, row_id) select event_id, row_id from input order by event_id
      on conflict (event_id) do update set provisional = false,
        row_id = coalesce((select e.row_id from ${events} e where e.row_id = k.row_id), excluded.row_id)
        where k.provisional and exists (select from ${eventKeys} seen where seen.event_id = k.event_id)
          and (select takes_over from input where input.event_id = k.event_id)
      returning event_id, row_id
    ), inserted as (
      insert into ${events} (row_id, event_id, outcome, type, source, subject, occurred_at, trace_id, attributes, payload)
      select row_id, event_id, outcome, type, source, subject, occurred_at, trace_id, attributes::json, payload::json
      from input join keyed using (row_id, event_id)
    ), entry as (
      select event_id, k.row_id, k.row_id = i.row_id as is_new, i.outcome ${hasFlow ? ENTRY_FOR_FLOW : sql``}
      from keyed k join input i using (event_id)
    ), raised as (
      update ${events} e set outcome = t.outcome from entry t
      where not t.is_new and t.outcome = 'received' and e.row_id = t.row_id
    ), matched as (
      select e.row_id, event_id, r.activity_id, r.activity_name, r.outcome, r.reason, r.run_id
        ${hasFlow ? MATCHED_FOR_FLOW : sql``}
      from json_to_recordset(${JSON.stringify(outcomeRows)}::json) as r(
        event_id text, activity_id uuid, activity_name text, outcome text, reason text, run_id uuid
        ${hasFlow ? ROWS_FOR_FLOW : sql``})
      join entry e using (event_id)
      where e.is_new or (select true from ${eventOutcomes} o where o.row_id = e.row_id and o.activity_id = r.activity_id) is null
    )${hasFlow ? DECIDED : sql``}, claimable as (
      insert into ${occurrences} (activity_id, kind, key, run_id, event_id${hasFlow ? sql`, version_used, claimed_by` : sql``})
      select activity_id, 'event', event_id, run_id, event_id${
        hasFlow ? sql`, version, case when outcome = 'queued' then ${QUEUED}::text end` : sql``
      }
      from ${decided}
      where run_id is not null
      order by activity_id, event_id
      on conflict do nothing
      returning activity_id, key, run_id
    )${hasFlow ? QUEUED_AND_COLLECTED : sql``}, reached as (
      insert into ${eventOutcomes} (row_id, activity_id, activity_name, outcome, reason, run_id)
      select m.row_id, m.activity_id, m.activity_name,
        ${hasFlow ? sql`case when m.outcome = 'queued' and c.run_id is null then 'run' else m.outcome end` : sql`m.outcome`},
        m.reason,
        -- Where the occurrence was there already, this is the run that has it.
        case when m.run_id is not null then coalesce(c.run_id, (select o.run_id from ${occurrences} o
          where o.activity_id = m.activity_id and o.kind = 'event' and o.key = m.event_id), m.run_id) end
      from ${decided} m left join claimable c on c.activity_id = m.activity_id and c.key = m.event_id
      -- A foreign start of the activity with this event was recorded in the same moment: its run is the event's.
      on conflict do nothing
    )
    select event_id, ${hasFlow ? CHANGED : sql`null as changed`} from entry where is_new`;
}

function isInFlow({ outcome, dedupe_key }: Match): boolean {
  return dedupe_key !== undefined || outcome === "collected" || outcome === "queued";
}

const ENTRY_FOR_FLOW = sql`, i.trace_id, octet_length(i.payload) as bytes`;
const MATCHED_FOR_FLOW = sql`, e.trace_id, e.bytes, r.version, r.nth, r.dedupe_key, r.dedupe_ms, r.flow_key, r.workflow_id, r.window_id,
        r.kind, r.quiet_ms, r.max_wait_ms, r.max_events`;
const ROWS_FOR_FLOW = sql`, version integer, nth integer, dedupe_key text, dedupe_ms float8, flow_key text, workflow_id text, window_id uuid,
        kind text, quiet_ms bigint, max_wait_ms bigint, max_events integer`;

/** The event that has a dedupe key goes on, the others of that key are its duplicates. Of one statement the first one has it. */
const DECIDED = sql`, holding as (
      insert into ${dedupeKeys} as d (activity_id, key, event_id, accepted_at, expires_at)
      select distinct on (activity_id, dedupe_key) activity_id, dedupe_key, event_id, now(),
        case when dedupe_ms is null then 'infinity'::timestamptz else now() + dedupe_ms * interval '1 millisecond' end
      from matched where dedupe_key is not null
      order by activity_id, dedupe_key, nth
      -- An update that changes nothing, so that it answers the event that has the key.
      on conflict (activity_id, key) do update set
        event_id = case when d.expires_at <= now() then excluded.event_id else d.event_id end,
        accepted_at = case when d.expires_at <= now() then excluded.accepted_at else d.accepted_at end,
        expires_at = case when d.expires_at <= now() then excluded.expires_at else d.expires_at end
      returning activity_id, key, event_id as holder, expires_at
    ), decided as (
      select m.row_id, m.event_id, m.activity_id, m.activity_name, m.outcome as intended,
        case when is_taken then 'duplicate' else m.outcome end as outcome,
        case when is_taken then format('event %s has the dedupe key %s', holder, m.dedupe_key) || case
          when expires_at = 'infinity' then '' else to_char(expires_at at time zone 'utc', '" until "YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') end
          else m.reason end as reason,
        case when not is_taken then m.run_id end as run_id,
        m.version, m.trace_id, m.bytes, m.nth, m.flow_key, m.workflow_id, m.window_id, m.kind, m.quiet_ms, m.max_wait_ms, m.max_events
      from matched m left join holding h on h.activity_id = m.activity_id and h.key = m.dedupe_key,
        lateral (select coalesce(h.holder <> m.event_id, false) as is_taken) t
    )`;

/** Runs that wait for their gates, and members of windows. Who holds the row of a window gives its members their places. */
const QUEUED_AND_COLLECTED = sql`, queued as (
      insert into ${runs} as r (run_id, activity_id, activity_name, trigger, status, event_id, trace_id, workflow_id, version_used, flow_key)
      select d.run_id, d.activity_id, d.activity_name, 'event', 'queued', d.event_id, d.trace_id, d.workflow_id, d.version, d.flow_key
      from decided d join claimable c on c.run_id = d.run_id
      where d.outcome = 'queued'
      returning ${tellGates(sql`r.activity_id`, sql`r.flow_key`)}
    ), gathered as (
      select *, count(*) over of_window as n, row_number() over (of_window order by nth) as place, sum(bytes) over of_window as all_bytes
      from decided where outcome = 'collected'
      window of_window as (partition by activity_id, flow_key)
    ), gathering as (
      insert into ${flowWindows} as w (window_id, activity_id, flow_key, kind, quiet_ms, max_wait_ms, max_events, opened_at, last_at,
        closes_at, events, bytes)
      select window_id, activity_id, flow_key, kind, quiet_ms, max_wait_ms, max_events, now(), now(),
        ${closesAt({ events: sql`n`, bytes: sql`all_bytes`, opened: sql`now()`, last: sql`now()`, rule: sql`gathered` })}, n, all_bytes
      from gathered where place = 1
      order by activity_id, flow_key
      on conflict (activity_id, flow_key) where closed_at is null do update set
        kind = excluded.kind, quiet_ms = excluded.quiet_ms, max_wait_ms = excluded.max_wait_ms, max_events = excluded.max_events,
        events = w.events + excluded.events, bytes = w.bytes + excluded.bytes, last_at = excluded.last_at,
        closes_at = ${closesAt({
          events: sql`w.events + excluded.events`,
          bytes: sql`w.bytes + excluded.bytes`,
          opened: sql`w.opened_at`,
          last: sql`excluded.last_at`,
          rule: sql`excluded`,
        })}
      -- Whoever closes windows is told of one that is new, which may be the next to close, and of one that is full.
      returning window_id, activity_id, flow_key, events,
        case when opened_at = last_at or closes_at <= now() then pg_notify(${sql.raw(`'${WINDOWS_CHANNEL}'`)}, '')::text end
    ), members as (
      insert into ${flowMembers} (window_id, position, row_id, event_id, bytes)
      select w.window_id, w.events - g.n + g.place, g.row_id, g.event_id, g.bytes
      from gathered g join gathering w using (activity_id, flow_key)
    )`;

const CHANGED = sql`(
      select json_agg(json_build_object('activity_id', d.activity_id, 'outcome', d.outcome, 'reason', d.reason))
      from decided d where d.event_id = entry.event_id and d.outcome <> d.intended
    ) as changed`;
