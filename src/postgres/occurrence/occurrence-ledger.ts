/** The claim: one statement in which an occurrence gets its one workflow, its pinned version and its run (I1, I8). */
import { and, eq, sql } from "drizzle-orm";
import { findDifferences } from "../../event/content.ts";
import type { EventEnvelope } from "../../event/envelope.ts";
import { RetryableError, TerminalError } from "../../kernel/errors.ts";
import { isUuid, stableTraceId, timeOrderedUuid } from "../../kernel/stable-id.ts";
import type { OccurrenceLedger } from "../../occurrence/ledger.ts";
import type { AcceptedStart, Start } from "../../occurrence/start.ts";
import type { ClaimRequest, RunStatus } from "../../run/run.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { readStored, type StoredEvent } from "../event/event-contents.ts";
import { eventKeys, eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";
import { type ActivityRow, segmentsOf, versionsSince } from "../schedule/due-ledger.ts";

/** One row always: nulls say what was not there. */
interface ClaimRow extends Record<string, unknown> {
  activity_name: string | null;
  event_known: boolean;
  claimed: boolean;
  /** It was claimed before, and retention has removed its run since. */
  swept: boolean;
  /** The occurrence's, whoever has it; null when another claim was made in the same moment. */
  run_id: string | null;
  status: RunStatus | null;
  reason: string | null;
  /** Milliseconds since the event was received, or since the due time. */
  latency_ms: number | null;
}

export function createOccurrenceLedger(db: Database): OccurrenceLedger {
  const ledger: OccurrenceLedger = {
    async findSchedule(activityId, at, now) {
      if (!isUuid(activityId)) return [];
      // A version counts for what is due after its write.
      const since = new Date(at.getTime() - 1).toISOString();
      const [row] = await guarded(
        db.execute<Pick<ActivityRow, "versions">>(sql`
          select coalesce(v.versions, '[]') as versions
          from ${definitions} d cross join lateral (${versionsSince(sql`d.id`, sql`${since}::timestamptz`)}) v
          where d.id = ${activityId}`),
      );
      // The first one began at some time before.
      return segmentsOf({ since: new Date(0).toISOString(), versions: row?.versions ?? [] }, now);
    },

    async claim(request, requested) {
      if (!isUuid(request.activity_id)) throw unknownDefinition(request);
      const start = "run_id" in requested ? await findAccepted(db, request, requested) : requested;
      const standing = start.inline && (await findStanding(db, start.inline));
      const statement = claimStatement(request, start, "run_id" in requested, standing?.row_id);
      const [row] = await guarded(db.execute<ClaimRow>(statement));
      if (row === undefined || row.activity_name === null) throw unknownDefinition(request);
      // It was stored by somebody else since it was looked for, and may say something else.
      if (!row.event_known && start.inline !== undefined)
        throw new RetryableError("event_in_conflict", `event ${start.event_id} is being stored by another workflow`);
      if (!row.event_known)
        throw new TerminalError("event_not_found", `event ${start.event_id} is not in the ledger`, {
          hint: "Publish it first (POST /events), or start the workflow with the whole envelope",
        });
      const start_latency_ms = Math.max(0, row.latency_ms ?? 0);
      const { activity_name, run_id } = row;
      // Another claim was made after this statement's snapshot was taken: the next one sees what it left.
      if (run_id === null || (row.claimed && !row.swept && row.status === null))
        return ledger.claim(request, requested);
      if (!row.claimed || row.swept) return { outcome: "duplicate", run_id, start_latency_ms };
      return row.status === "skipped"
        ? { outcome: "skipped", run_id, activity_name, reason: row.reason ?? "skipped", start_latency_ms }
        : { outcome: "claimed", run_id, activity_name, start_latency_ms };
    },
  };
  return ledger;
}

/** What stands under the event's id, and says the same. @throws TerminalError `event_differs` */
async function findStanding(db: Database, envelope: EventEnvelope): Promise<StoredEvent | undefined> {
  const [standing] = await readStored(db, [envelope.event_id]);
  const fields = standing?.content ? findDifferences(standing.content, envelope) : [];
  if (fields.length > 0)
    throw new TerminalError(
      "event_differs",
      `trigger_event differs in ${fields.join(", ")} from the event that was recorded before under its id`,
      { hint: "Give it an id of its own, or start the workflow with {event_id} alone" },
    );
  return standing;
}

/** @throws TerminalError `run_not_found` */
async function findAccepted(db: Database, { activity_id }: ClaimRequest, { run_id }: AcceptedStart): Promise<Start> {
  const [row] = await guarded(
    db
      .select({ kind: occurrences.kind, key: occurrences.key, event_id: occurrences.event_id, trigger: runs.trigger })
      .from(occurrences)
      .innerJoin(runs, eq(runs.run_id, occurrences.run_id))
      .where(and(eq(occurrences.run_id, run_id), eq(occurrences.activity_id, activity_id))),
  );
  if (row === undefined)
    throw new TerminalError("run_not_found", `activity ${activity_id} has accepted no run ${run_id}`);
  const { event_id, ...start } = row;
  return { ...start, ...(event_id !== null && { event_id }) };
}

/** `standingRow`: of the event under the id of a foreign one, when somebody has stored it; no other row counts as it. */
function claimStatement(request: ClaimRequest, start: Start, isAccepted: boolean, standingRow: string | null = null) {
  // Counts only when nobody has inserted the occurrence yet: otherwise the run id that stands there does.
  const runId = timeOrderedUuid();
  const { workflow_id, first_execution_run_id, scheduled_for = null } = request;
  const eventId = start.event_id ?? null;
  // Somebody asked for it: that is reason enough for a disabled one.
  const isAskedFor = start.kind === "manual" || start.kind === "rerun" || start.trigger === "backfill";
  // The payload as text within the JSON: see events.ts.
  const inline =
    start.inline === undefined
      ? null
      : JSON.stringify({
          ...start.inline,
          row_id: timeOrderedUuid(),
          payload: JSON.stringify(start.inline.payload === undefined ? {} : start.inline.payload),
        });
  const traceId = start.inline?.trace_id ?? stableTraceId(eventId ?? runId);
  const refusal = start.refusal ?? null;
  // Relaxed where a run is opened: nothing is done for it before its decision is committed, and that commit waits. What is
  // refused has no decision: its workflow ends, and so this commit waits.
  return sql`
    with definition as (
      select id, name, enabled, deleted_at, version,
        case when deleted_at is not null then 'deleted' when not enabled and ${!isAskedFor} then 'disabled' end as refusal
      from ${definitions} where id = ${request.activity_id}
    ), relaxed as materialized (
      select case when coalesce(refusal, ${refusal}) is null then set_config('synchronous_commit', 'off', true) end
      from definition
    ), before as (
      select run_id, claimed_by is not null as is_claimed from ${occurrences}
      where activity_id = ${request.activity_id} and kind = ${start.kind} and key = ${start.key}
    ), foreign_event as (
      select e.* from json_to_record(${inline}::json) as e(row_id uuid, event_id text, type text, source text,
        subject text, occurred_at text, payload text), definition
      where ${inline !== null}
    ), keyed as (
      insert into ${eventKeys} (event_id, row_id, provisional) select event_id, row_id, true from foreign_event
      on conflict do nothing
      returning event_id, row_id
    ), persisted as (
      insert into ${events} (row_id, event_id, outcome, type, source, subject, occurred_at, trace_id, payload)
      select row_id, event_id, 'dispatched', type, source, subject, occurred_at, ${traceId}, payload::json
      from foreign_event join keyed using (row_id, event_id)
      returning row_id, trace_id, received_at
    ), event as (
      select k.row_id, e.trace_id, e.received_at
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
          or o.claimed_by is null and (${isAccepted} or coalesce(o.workflow_id, ${workflow_id}) = ${workflow_id})
      returning run_id, version_used
    ), opened as (
      insert into ${runs} (run_id, activity_id, activity_name, trigger, status, reason, finished_at, scheduled_for,
        event_id, trace_id, workflow_id, version_used)
      select run_id, id, name, ${start.trigger}, case when reason is null then 'running' else 'skipped' end, reason,
        case when reason is not null then now() end, ${scheduled_for}::timestamptz, ${eventId},
        coalesce((select trace_id from event limit 1), ${traceId}), ${workflow_id}, version_used
      from definition, occurrence, lateral (select coalesce(refusal, ${refusal}) as reason)
      -- A run that was claimed before stands, or was swept.
      where not exists (select from before where is_claimed)
      on conflict do nothing
      returning run_id, status, reason
    ), refused as (
      -- A run that was accepted over REST stands already; what was disabled or deleted since then does not run. The same
      -- claim made again finds it claimed, in the snapshot of this statement, and answers what stands there.
      update ${runs} r set status = 'skipped', reason = refusal, finished_at = now()
      from definition, occurrence
      where r.run_id = occurrence.run_id and refusal is not null and r.finished_at is null
        and exists (select from before where not is_claimed)
      returning r.status, r.reason
    ), reached as (
      insert into ${eventOutcomes} (row_id, activity_id, activity_name, outcome, run_id)
      select row_id, id, name, 'run', run_id from event, definition, opened
      on conflict do nothing
    ), standing as (
      select status, reason from opened
      union all select status, reason from refused
      union all select status, reason from ${runs} where run_id = (select run_id from occurrence)
    )
    select
      (select name from definition) as activity_name,
      (${eventId}::text is null or exists (select from event)) as event_known,
      exists (select from occurrence) as claimed,
      exists (select from before where is_claimed and not exists (select from ${runs} r where r.run_id = before.run_id))
        as swept,
      coalesce((select run_id from occurrence), (select run_id from before)) as run_id,
      (select status from standing limit 1) as status,
      (select reason from standing limit 1) as reason,
      (extract(epoch from clock_timestamp() - coalesce(${scheduled_for}::timestamptz,
        (select received_at from event limit 1), now())) * 1000)::float8 as latency_ms`;
}

function unknownDefinition({ activity_id }: ClaimRequest): TerminalError {
  // It may be of any length, and the engine keeps failures only up to some.
  const shown = JSON.stringify(activity_id.slice(0, 200));
  return new TerminalError("definition_not_found", `there is no definition ${shown}`);
}
