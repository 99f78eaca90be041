/** The statement of the claim (I1). */
import { type SQL, sql } from "drizzle-orm";
import type { ActivityRow } from "../../definition/activity.ts";
import type { JudgedStart } from "../../occurrence/ledger.ts";
import { runTraceId } from "../../occurrence/occurrence.ts";
import type { ClaimRequest, RunStatus } from "../../run/run.ts";
import { definitions, definitionVersions } from "../definition-tables.ts";
import { runNews, WAKE_PUBLISHER } from "../event/run-news.ts";
import { TELL_IF_COUNTED } from "../flow/gate-news.ts";
import { eventKeys, eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";

/** The claim's statement always answers one row. */
export interface ClaimRow extends Record<string, unknown> {
  /** Whether the definition has the judged version. Otherwise only `current` counts. */
  is_judged: boolean;
  /** Null: there is no such definition, or it has the judged version. */
  current: (Omit<ActivityRow, "since"> & { since: string }) | null;
  event_known: boolean;
  claimed: boolean;
  /** It was claimed before, and retention has removed its run since. */
  swept: boolean;
  /** The run that has the occurrence, whoever claimed it; null when another claim was made in the same moment. */
  run_id: string | null;
  version_used: number | null;
  status: RunStatus | null;
  reason: string | null;
  /** How often the run was opened again. */
  reopened: number;
  /** Milliseconds since the event was received, or since the due time. */
  latency_ms: number | null;
}

/** `standingRow`: of the event under the id of a foreign one, when somebody has stored it; no other row counts as it. */
export function claimStatement(
  request: ClaimRequest,
  { event: start, version, refusal, acceptedRefusal, detail, givesWay }: JudgedStart,
  standingRow: string | null = null,
  flowKey: string | null = null,
): SQL {
  // Used only when nobody has inserted the occurrence yet; otherwise the run id that stands there is kept.
  const runId = Bun.randomUUIDv7();
  const { workflow_id, first_execution_run_id, scheduled_for = null } = request;
  const eventId = start.event_id ?? null;
  // The payload travels as text within the JSON: postgres/event/event-ledger.ts says why.
  const inline =
    start.inline === undefined
      ? null
      : JSON.stringify({
          ...start.inline,
          row_id: Bun.randomUUIDv7(),
          attributes: start.inline.attributes && JSON.stringify(start.inline.attributes),
          payload: JSON.stringify(start.inline.payload === undefined ? {} : start.inline.payload),
        });
  const traceId = start.inline?.trace_id ?? runTraceId(runId, eventId);
  // There are two texts of it: one that can only open a run, which is what most claims do, and one that may also close it.
  const mayClose = refusal !== null || acceptedRefusal !== null || givesWay;
  // Relaxed where a run is opened: nothing is done for it before its decision is committed, and that commit waits. What is
  // refused has no decision: its workflow ends, and so this commit waits.
  return sql`
    with definition as (
      -- Empty where the verdict is not about the version that the definition has now: then nothing below is stored.
      select id, name, version from ${definitions} where id = ${request.activity_id} and version = ${version}
    ), before as (
      select run_id, claimed_by is not null as is_claimed from ${occurrences}
      where activity_id = ${request.activity_id} and kind = ${start.kind} and key = ${start.key}
    )${mayClose ? findGoing(request.activity_id, givesWay) : sql``}, relaxed as materialized (
      select case when ${refusal === null && flowKey === null} ${mayClose ? sql`and not exists (select from going)` : sql``}
        then set_config('synchronous_commit', 'off', true) end from definition
    ), standing_run as (
      -- One that was accepted counts from there: the event of a rerun or a replay is older.
      select reopened, coalesce(reopened_at, admitted_at, case when ${start.run_id !== undefined} then fired_at end) as begun_at
      from ${runs} where run_id = (select run_id from before)
    ), foreign_event as (
      select e.* from json_to_record(${inline}::json) as e(row_id uuid, event_id text, type text, source text,
        subject text, occurred_at text, attributes text, payload text), definition
      -- Where its key stands it is not tried for: a router that takes the key over may wait for this very occurrence.
      where ${inline !== null && standingRow === null}
    ), keyed as (
      insert into ${eventKeys} (event_id, row_id, provisional) select event_id, row_id, true from foreign_event
      on conflict do nothing
      returning event_id, row_id
    ), persisted as (
      insert into ${events} (row_id, event_id, outcome, type, source, subject, occurred_at, trace_id, attributes, payload)
      select row_id, event_id, 'dispatched', type, source, subject, occurred_at, ${traceId}, attributes::json, payload::json
      from foreign_event join keyed using (row_id, event_id)
      returning row_id, trace_id, received_at
    ), event as (
      select k.row_id, e.trace_id, coalesce(e.settled_at, e.received_at) as received_at
      from ${eventKeys} k left join ${events} e on e.row_id = k.row_id
      where k.event_id = ${eventId} and (${inline === null} or k.row_id = ${standingRow}::uuid)
      union all select row_id, trace_id, received_at from persisted
    ), occurrence as (
      insert into ${occurrences} as o (activity_id, kind, key, run_id, event_id, claimed_by, version_used)
      select id, ${start.kind}, ${start.key}, ${runId}::uuid, ${eventId}, ${first_execution_run_id}, version
      from definition, relaxed where ${eventId}::text is null or exists (select from event)
      on conflict (activity_id, kind, key) do update
        set claimed_by = excluded.claimed_by, version_used = coalesce(o.version_used, excluded.version_used)
        -- A schedule starts what was accepted for a backfill under another id: that is not the workflow of the run's row.
        where o.claimed_by = excluded.claimed_by
          or o.claimed_by is null and (${start.run_id !== undefined} or coalesce(o.workflow_id, ${workflow_id}) = ${workflow_id})
      returning run_id, version_used
    ), opened as (
      insert into ${runs} (run_id, activity_id, activity_name, trigger, status, reason, finished_at, scheduled_for,
        event_id, trace_id, workflow_id, version_used, flow_key, detail)
      select run_id, id, name, ${start.trigger},
        case when reason is not null then 'skipped' when ${flowKey === null} then 'running' else 'queued' end, reason,
        case when reason is not null then now() end, ${scheduled_for}::timestamptz, ${eventId},
        coalesce((select trace_id from event limit 1), ${traceId}), ${workflow_id}, version_used, ${flowKey}, detail
      from definition, occurrence, ${mayClose ? verdictOf(refusal, detail) : sql`(select null as reason, null as detail) verdict`}
      -- A run that was claimed before is there already, or retention has removed it.
      where not exists (select from before where is_claimed)
      on conflict do nothing
      returning *
    )${mayClose ? refuse(acceptedRefusal) : sql``}, reached as (
      insert into ${eventOutcomes} (row_id, activity_id, activity_name, outcome, run_id)
      select row_id, id, name, case when opened.status = 'queued' then 'queued' else 'run' end, run_id from event, definition, opened
      on conflict do nothing
    ), standing as (
      select status, reason from opened
      ${mayClose ? sql`union all select status, reason from refused` : sql``}
      union all select status, reason from ${runs} where run_id = (select run_id from occurrence)
    )${mayClose ? NEWS : sql``}
    select exists (select from definition) as is_judged, (
        select json_build_object('id', d.id, 'name', d.name, 'version', d.version, 'enabled', d.enabled and d.deleted_at is null,
          'deleted', d.deleted_at is not null, 'since', v.created_at, 'body', d.body)
        from ${definitions} d join ${definitionVersions} v on v.definition_id = d.id and v.version = d.version
        where d.id = ${request.activity_id} and d.version is distinct from ${version}
      ) as current,
      (${eventId}::text is null or exists (select from event)) as event_known,
      exists (select from occurrence) as claimed,
      exists (select from before where is_claimed and not exists (select from ${runs} r where r.run_id = before.run_id))
        as swept,
      coalesce((select run_id from occurrence), (select run_id from before)) as run_id,
      (select version_used from occurrence) as version_used,
      (select status from standing limit 1) as status,
      (select reason from standing limit 1) as reason,
      coalesce((select reopened from standing_run), 0) as reopened,
      (extract(epoch from clock_timestamp() - coalesce((select begun_at from standing_run), ${scheduled_for}::timestamptz,
        (select received_at from event limit 1), now())) * 1000)::float8 as latency_ms
      ${mayClose ? sql`, ${WAKE_PUBLISHER}` : sql``}`;
}

/** A run of the activity that goes, for a due time that gives way to one. */
function findGoing(activityId: string, givesWay: boolean): SQL {
  return sql`, going as materialized (
      select 'run ' || run_id || ' (' || trigger || ') was going' as detail from ${runs}
      where ${givesWay} and activity_id = ${activityId} and status = 'running' and run_id is distinct from (select run_id from before)
      limit 1
    )`;
}

/** Why the run does not begin; null: it does. */
function verdictOf(refusal: string | null, detail: string | null = null): SQL {
  return sql`(select coalesce(${refusal}, case when exists (select from going) then 'overlap' end) as reason,
        coalesce(${detail}, (select detail from going)) as detail) verdict`;
}

/** Closes the run of an accepted occurrence, which stands already. The same claim made again finds it claimed, and answers what stands. */
function refuse(refusal: string | null): SQL {
  return sql`, refused as (
      update ${runs} r set status = 'skipped', reason = verdict.reason, detail = verdict.detail, finished_at = now()
      from occurrence, ${verdictOf(refusal)}
      where r.run_id = occurrence.run_id and verdict.reason is not null and r.finished_at is null and r.reopened = 0
        and exists (select from before where not is_claimed)
      returning r.*, ${TELL_IF_COUNTED} as counted
    )`;
}

const NEWS = sql`, closed as (
      select *, null as counted from opened where status = 'skipped' union all select * from refused
    )${runNews(sql`closed`)}`;
