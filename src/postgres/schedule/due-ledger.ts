/** Due times in Postgres: how far each schedule is accounted for, what ran, what was skipped and why. */
import { and, eq, isNull, or, type SQL, sql } from "drizzle-orm";
import type { SkippedStretch } from "../../calendar/misfire.ts";
import { parseRunAt } from "../../calendar/run-at.ts";
import type { ScheduleTrigger } from "../../calendar/trigger.ts";
import type { TriggerType } from "../../definition/schema.ts";
import { stableTraceId, timeOrderedUuid } from "../../kernel/stable-id.ts";
import type { AcceptedRun } from "../../occurrence/control.ts";
import type { DueRun, Segment } from "../../occurrence/due-facts.ts";
import { dueKey, dueWorkflowId } from "../../occurrence/occurrence.ts";
import type { OwedRun } from "../../run/engine.ts";
import type { DueActivity, DueLedger } from "../../schedule/reconciler.ts";
import type { Transaction } from "../access/audit.ts";
import { guarded, inChunks, type Postgres } from "../client.ts";
import { definitions, definitionVersions, scheduleProjections } from "../definition-tables.ts";
import { dueProgress, dueSkips, occurrences, runs } from "../ledger-tables.ts";
import { insertOccurrence, insertRun, lockLive } from "../occurrence/acceptance-ledger.ts";

const EVENT: TriggerType = "event";
/** So many runs before a due time are looked at for one that was still going then; a schedule has one at a time. */
const LOOK_BACK_RUNS = 20;

export interface DueActivityRow extends Record<string, unknown> {
  activity_id: string;
  activity_name: string;
  enabled: boolean;
  paused_by_us: boolean;
  /** RFC 3339: where the first segment begins. */
  since: string;
  seen_paused_at: string | null;
  ended_at: string | null;
  versions: VersionRow[];
}

interface VersionRow {
  created_at: string;
  trigger: ScheduleTrigger | { trigger_type: "event" };
  enabled: boolean;
}

export function createDueLedger(postgres: Postgres): DueLedger {
  const { db } = postgres;
  return {
    async listActivities(now) {
      const rows = await guarded(db.execute<DueActivityRow>(activitiesStatement()));
      return rows.map((row): DueActivity => {
        const { activity_id, activity_name, enabled, paused_by_us: pausedByUs } = row;
        const until = row.ended_at === null ? now : new Date(row.ended_at);
        const seenPausedAt = row.seen_paused_at === null ? undefined : new Date(row.seen_paused_at);
        return { activity_id, activity_name, enabled, pausedByUs, segments: segmentsOf(row, until), seenPausedAt };
      });
    },

    listDueRuns: (activityId, since) => listDueRuns(postgres, activityId, since),

    async notePaused(activityId, at) {
      await guarded(
        db.update(dueProgress).set({ seen_paused_at: at }).where(eq(dueProgress.definition_id, activityId)),
      );
    },

    settle: (activity, { until, skips, run }) =>
      guarded(
        db.transaction(async (tx) => {
          const { activity_id } = activity;
          const owed = run && (await insertDueRun(tx, activity, run.due, run.compressed));
          const into = owed && { into: owed.run_id };
          await insertSkips(tx, activity_id, run?.compressed ? [...skips, { ...run.compressed, ...into }] : skips);
          const runAt = onceAt(activity);
          const done_at = runAt !== undefined && runAt <= until ? doneAt(activity, until) : null;
          await tx
            .insert(dueProgress)
            .values({ definition_id: activity_id, settled_until: until, done_at })
            .onConflictDoUpdate({ target: dueProgress.definition_id, set: { settled_until: until, done_at } });
          return owed;
        }),
      ),
  };
}

/** A version counts from its own write until the next one's; the first of a row is the one in force where it begins. */
export function segmentsOf({ since, versions }: Pick<DueActivityRow, "since" | "versions">, until: Date): Segment[] {
  return versions.map(({ created_at, trigger, enabled }, index) => {
    const next = versions[index + 1];
    return {
      from: index === 0 ? new Date(since) : new Date(created_at),
      until: next === undefined || new Date(next.created_at) > until ? until : new Date(next.created_at),
      trigger: trigger.trigger_type === "event" ? undefined : trigger,
      enabled,
    };
  });
}

function activitiesStatement() {
  // A definition that had a schedule is accounted for until it lost it; a deleted one until it was deleted.
  return sql`
    select d.id as activity_id, d.name as activity_name, d.enabled and d.deleted_at is null as enabled,
      exists (select from ${scheduleProjections} t where t.definition_id = d.id and t.paused) as paused_by_us,
      p.since, p.seen_paused_at, d.deleted_at as ended_at, v.versions
    from ${definitions} d
      cross join lateral (
        select coalesce(max(settled_until), d.created_at) as since, max(seen_paused_at) as seen_paused_at,
          max(done_at) as done_at
        from ${dueProgress} where definition_id = d.id
      ) p
      cross join lateral (${versionsSince(sql`d.id`, sql`p.since`)}) v
    where (d.trigger_type <> ${EVENT} or p.since < d.updated_at)
      and (d.deleted_at is null or p.since < d.deleted_at)
      and (p.done_at is null or p.done_at < d.updated_at)
      and v.versions is not null
    order by d.id`;
}

interface DueRunRow extends Record<string, unknown> {
  run_id: string;
  key: string;
  claimed: boolean;
  filled: boolean;
  skipped: boolean;
  fired_at: string | null;
  finished_at: string | null;
}

/** The version in force at `since` and those after it; the last one of a deleted definition only says that it was deleted. */
export function versionsSince(id: SQL, since: SQL): SQL {
  return sql`
    select json_agg(json_build_object('created_at', x.created_at, 'trigger', x.body->'trigger_config',
      'enabled', x.body->'enabled') order by x.version) as versions
    from ${definitionVersions} x
    where x.definition_id = ${id} and (d.deleted_at is null or x.version < d.version) and x.version >= coalesce((
      select max(y.version) from ${definitionVersions} y where y.definition_id = ${id} and y.created_at <= ${since}), 1)`;
}

/** In the order of their due times: those after `since`, some before it, and every one that is open. */
async function listDueRuns({ prepared }: Postgres, activityId: string, since: Date): Promise<DueRun[]> {
  // Each part by its own index: an `or` of both, or a plain join with the runs, would read every run that there ever was.
  const rows = await guarded(
    prepared.execute<DueRunRow>(sql`
      select o.run_id, o.key, o.claimed_by is not null as claimed, o.workflow_id is not null as filled,
        coalesce(r.status = 'skipped', false) as skipped, r.fired_at, r.finished_at
      from (
        select run_id, key, claimed_by, workflow_id from ${occurrences}
        where activity_id = ${activityId}::uuid and kind = 'due' and key > coalesce((
          select key from ${occurrences} where activity_id = ${activityId}::uuid and kind = 'due' and key <= ${dueKey(since)}
          order by key desc offset ${LOOK_BACK_RUNS} limit 1), '')
        union
        select run_id, key, claimed_by, d.workflow_id from ${runs} open join ${occurrences} d using (run_id)
        where open.finished_at is null and open.activity_id = ${activityId}::uuid and d.kind = 'due'
      ) o left join lateral (select * from ${runs} where run_id = o.run_id limit 1) r on true
      order by o.key`),
  );
  return rows.map(({ run_id, key, claimed, filled, skipped, fired_at, finished_at }) => {
    const due = new Date(key);
    // A run that was swept is over.
    const finishedAt = finished_at ?? (fired_at === null && claimed ? key : undefined);
    return {
      run_id,
      due,
      firedAt: fired_at === null ? due : new Date(fired_at),
      ...(finishedAt !== undefined && { finishedAt: new Date(finishedAt) }),
      filled,
      skipped,
    };
  });
}

/** Undefined: somebody has the due time already. */
async function insertDueRun(
  tx: Transaction,
  { activity_id, segments }: DueActivity,
  due: Date,
  compressed?: SkippedStretch,
): Promise<(AcceptedRun & OwedRun) | undefined> {
  const activity = await lockLive(tx, activity_id);
  const run_id = timeOrderedUuid();
  const workflow_id = dueWorkflowId(activity_id, due);
  const occurrence = { kind: "due" as const, key: dueKey(due), event_id: null, workflow_id };
  if ((await insertOccurrence(tx, activity, run_id, occurrence)) !== undefined) return undefined;
  const trigger = segments.findLast(({ from }) => from < due)?.trigger?.trigger_type ?? "cron";
  const context = compressed && { context_snapshot: contextOf(compressed) };
  const trace_id = stableTraceId(run_id);
  return insertRun(tx, activity, { run_id, workflow_id, trigger, scheduled_for: due, trace_id, ...context });
}

async function insertSkips(tx: Transaction, activity_id: string, skips: readonly SkippedStretch[]): Promise<void> {
  if (skips.length === 0) return;
  const rows = skips.map(({ firstDue, lastDue, count, reason, into }) => ({
    activity_id,
    first_due: firstDue,
    last_due: lastDue,
    count,
    reason,
    into_run: into ?? null,
  }));
  await inChunks(rows, (chunk) => tx.insert(dueSkips).values(chunk).onConflictDoNothing());
  for (const stretch of skips)
    if (stretch.into !== undefined)
      await tx
        .update(runs)
        .set({ context_snapshot: contextOf(stretch) })
        .where(
          and(
            eq(runs.run_id, stretch.into),
            or(isNull(runs.context_snapshot), sql`${runs.context_snapshot}::text = '{}'`),
          ),
        );
}

/** What the run that stands for a gap is told of it. */
function contextOf({ firstDue, lastDue, count }: SkippedStretch): object {
  return { compressed: { count, first_due: firstDue.toISOString(), last_due: lastDue.toISOString() } };
}

/** When a one-shot is due; undefined for what is none. */
function onceAt({ segments }: DueActivity): Date | undefined {
  const trigger = segments.at(-1)?.trigger;
  return trigger?.trigger_type === "scheduled" ? parseRunAt(trigger.run_at) : undefined;
}

/** Not before the version that it is judged by, and before any other: one that is written meanwhile is looked at again. */
function doneAt({ segments }: DueActivity, until: Date): Date {
  const written = segments.at(-1)?.from;
  return written !== undefined && written > until ? written : until;
}
