/** The claim: one statement in which an occurrence gets its one workflow, its pinned version and its run (I1, I8). */
import { and, eq, sql } from "drizzle-orm";
import type { ActivityRow } from "../../definition/activity.ts";
import { findDifferences } from "../../event/content.ts";
import type { EventEnvelope } from "../../event/envelope.ts";
import { RetryableError, TerminalError } from "../../kernel/errors.ts";
import { isUuid } from "../../kernel/stable-id.ts";
import { segmentsOf } from "../../occurrence/definition-history.ts";
import type { JudgedStart, OccurrenceLedger } from "../../occurrence/ledger.ts";
import { runTraceId } from "../../occurrence/occurrence.ts";
import type { ClaimRequest, RunStatus } from "../../run/run.ts";
import { type Database, guarded } from "../client.ts";
import { definitions, definitionVersions } from "../definition-tables.ts";
import { readStored, type StoredEvent } from "../event/event-contents.ts";
import { eventKeys, eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";
import { type DueActivityRow, versionsSince } from "../schedule/due-ledger.ts";

/** The claim's statement always answers one row. */
interface ClaimRow extends Record<string, unknown> {
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

export function createOccurrenceLedger(db: Database): OccurrenceLedger {
  const ledger: OccurrenceLedger = {
    async findAccepted(activityId, runId) {
      if (!isUuid(activityId)) throw unknownDefinition(activityId);
      const { kind, key, run_id, event_id } = occurrences;
      const query = db.select({ kind, key, run_id, event_id, trigger: runs.trigger }).from(occurrences);
      const ofRun = and(eq(run_id, runId), eq(occurrences.activity_id, activityId));
      const [row] = await guarded(query.innerJoin(runs, eq(runs.run_id, run_id)).where(ofRun));
      if (row === undefined)
        throw new TerminalError("run_not_found", `activity ${activityId} has accepted no run ${runId}`);
      const { event_id: eventId, ...event } = row;
      return { ...event, ...(eventId !== null && { event_id: eventId }) };
    },

    async findSegments(activityId, at, now) {
      // A version counts for the due times after it was written.
      const since = new Date(at.getTime() - 1).toISOString();
      const [row] = await guarded(
        db.execute<Pick<DueActivityRow, "versions">>(sql`
          select coalesce(v.versions, '[]') as versions
          from ${definitions} d cross join lateral (${versionsSince(sql`d.id`, sql`${since}::timestamptz`)}) v
          where d.id = ${activityId}`),
      );
      // The first version was in force before the range begins.
      return segmentsOf({ since: new Date(0).toISOString(), versions: row?.versions ?? [] }, now);
    },

    async findVersion(activityId, version) {
      const one = and(eq(definitionVersions.definition_id, activityId), eq(definitionVersions.version, version));
      const [row] = await guarded(db.select().from(definitionVersions).where(one));
      if (row === undefined) return undefined;
      const { name, enabled } = row.body;
      // No run uses the body of a deletion, and only the current version is judged.
      return { id: activityId, name, version, enabled, deleted: false, since: row.created_at, body: row.body };
    },

    async claim(request, judged) {
      if (!isUuid(request.activity_id)) throw unknownDefinition(request.activity_id);
      const { event } = judged;
      const standing = event.inline && (await findStanding(db, event.inline));
      const [row] = await guarded(db.execute<ClaimRow>(claimStatement(request, judged, standing?.row_id)));
      if (row?.current)
        return { outcome: "not_judged", current: { ...row.current, since: new Date(row.current.since) } };
      if (!row?.is_judged) throw unknownDefinition(request.activity_id);
      // It was stored by somebody else since it was looked for, and may say something else.
      if (!row.event_known && event.inline !== undefined)
        throw new RetryableError("event_in_conflict", `event ${event.event_id} is being stored by another workflow`);
      if (!row.event_known)
        throw new TerminalError("event_not_found", `event ${event.event_id} is not in the ledger`, {
          hint: "Publish it first (POST /events), or start the workflow with the whole envelope",
        });
      const start_latency_ms = Math.max(0, row.latency_ms ?? 0);
      const { run_id, version_used, status, reason } = row;
      // Another claim was made after this statement's snapshot was taken: the next one sees what it left.
      if (run_id === null || (row.claimed && !row.swept && status === null)) return ledger.claim(request, judged);
      if (!row.claimed || row.swept || version_used === null) return { outcome: "duplicate", run_id, start_latency_ms };
      const held = { run_id, version_used, start_latency_ms };
      return status === "skipped"
        ? { outcome: "skipped", ...held, reason: reason ?? "skipped" }
        : { outcome: "claimed", ...held, reopened: row.reopened };
    },
  };
  return ledger;
}

/** What is recorded under the event's id, if it says the same as the event. @throws TerminalError `event_differs` */
async function findStanding(db: Database, envelope: EventEnvelope): Promise<StoredEvent | undefined> {
  const [standing] = await readStored(db, [envelope.event_id]);
  const fields = findDifferences(standing?.content, envelope);
  if (fields.length > 0)
    throw new TerminalError(
      "event_differs",
      `trigger_event differs in ${fields.join(", ")} from the event that was recorded before under its id`,
      { hint: "Give it an id of its own, or start the workflow with {event_id} alone" },
    );
  return standing;
}

/** `standingRow`: of the event under the id of a foreign one, when somebody has stored it; no other row counts as it. */
function claimStatement(
  request: ClaimRequest,
  { event: start, version, refusal, acceptedRefusal }: JudgedStart,
  standingRow: string | null = null,
) {
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
          payload: JSON.stringify(start.inline.payload === undefined ? {} : start.inline.payload),
        });
  const traceId = start.inline?.trace_id ?? runTraceId(runId, eventId);
  // Relaxed where a run is opened: nothing is done for it before its decision is committed, and that commit waits. What is
  // refused has no decision: its workflow ends, and so this commit waits.
  return sql`
    with definition as (
      -- Empty where the verdict is not about the version that the definition has now: then nothing below is stored.
      select id, name, version from ${definitions} where id = ${request.activity_id} and version = ${version}
    ), relaxed as materialized (
      select case when ${refusal}::text is null then set_config('synchronous_commit', 'off', true) end from definition
    ), before as (
      select run_id, claimed_by is not null as is_claimed from ${occurrences}
      where activity_id = ${request.activity_id} and kind = ${start.kind} and key = ${start.key}
    ), reopening as (
      select reopened, reopened_at from ${runs} where run_id = (select run_id from before)
    ), foreign_event as (
      select e.* from json_to_record(${inline}::json) as e(row_id uuid, event_id text, type text, source text,
        subject text, occurred_at text, payload text), definition
      -- Where its key stands it is not tried for: a router that takes the key over may wait for this very occurrence.
      where ${inline !== null && standingRow === null}
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
          or o.claimed_by is null and (${start.run_id !== undefined} or coalesce(o.workflow_id, ${workflow_id}) = ${workflow_id})
      returning run_id, version_used
    ), opened as (
      insert into ${runs} (run_id, activity_id, activity_name, trigger, status, reason, finished_at, scheduled_for,
        event_id, trace_id, workflow_id, version_used)
      select run_id, id, name, ${start.trigger}, case when reason is null then 'running' else 'skipped' end, reason,
        case when reason is not null then now() end, ${scheduled_for}::timestamptz, ${eventId},
        coalesce((select trace_id from event limit 1), ${traceId}), ${workflow_id}, version_used
      from definition, occurrence, (select ${refusal}::text as reason) verdict
      -- A run that was claimed before is there already, or retention has removed it.
      where not exists (select from before where is_claimed)
      on conflict do nothing
      returning run_id, status, reason
    ), refused as (
      -- The run of an accepted occurrence stands already. The same claim made again finds it claimed, in the snapshot of this
      -- statement, and answers what stands there.
      update ${runs} r set status = 'skipped', reason = ${acceptedRefusal}, finished_at = now()
      from occurrence
      where r.run_id = occurrence.run_id and ${acceptedRefusal}::text is not null and r.finished_at is null and r.reopened = 0
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
      coalesce((select reopened from reopening), 0) as reopened,
      (extract(epoch from clock_timestamp() - coalesce((select reopened_at from reopening), ${scheduled_for}::timestamptz,
        (select received_at from event limit 1), now())) * 1000)::float8 as latency_ms`;
}

function unknownDefinition(activityId: string): TerminalError {
  // The id may be of any length, and the engine keeps the text of a failure only up to a bound.
  const shown = JSON.stringify(activityId.slice(0, 200));
  return new TerminalError("definition_not_found", `there is no definition ${shown}`);
}
