/** Due times in Postgres: how far each schedule is accounted for, what ran, what was skipped and why. */
import { and, eq, isNull, or, type SQL, sql } from "drizzle-orm";
import type { SkippedStretch } from "../../calendar/misfire.ts";
import type { TriggerType } from "../../definition/schema.ts";
import { findFlowKey } from "../../flow/gate-key.ts";
import type { DueRun } from "../../occurrence/due-facts.ts";
import { dueKey, dueWorkflowId, runTraceId } from "../../occurrence/occurrence.ts";
import type { AcceptedRun } from "../../run/engine.ts";
import { describeGap } from "../../schedule/compressed-gap.ts";
import type { DueActivity, DueLedger } from "../../schedule/reconciler.ts";
import type { SettlementRecord } from "../../schedule/settlement.ts";
import { guarded, inChunks, inTransaction, type Postgres, type Transaction } from "../client.ts";
import { definitions, definitionVersions, scheduleProjections } from "../definition-tables.ts";
import { dueProgress, dueSkips, occurrences, runs } from "../ledger-tables.ts";
import { insertOccurrence, insertRun, lockAgainstChange } from "../occurrence/accepted-run.ts";

const EVENT: TriggerType = "event";
/** So many runs before a due time are looked at for one that was still going then; a schedule has one at a time. */
const LOOK_BACK_RUNS = 20;

/** Times of a raw statement are text. */
export type DueActivityRow = Omit<DueActivity, "seen_paused_at" | "ended_at"> &
  Record<"seen_paused_at" | "ended_at", string | null>;

export function createDueLedger(postgres: Postgres): DueLedger {
  const { db } = postgres;
  return {
    async listActivities() {
      const rows = await guarded(db.execute<DueActivityRow>(activitiesStatement()));
      return rows.map(({ seen_paused_at, ended_at, ...row }) => ({
        ...row,
        seen_paused_at: seen_paused_at === null ? null : new Date(seen_paused_at),
        ended_at: ended_at === null ? null : new Date(ended_at),
      }));
    },

    listDueRuns: (activityId, since) => listDueRuns(postgres, activityId, since),

    async notePaused(activityId, at) {
      await guarded(
        db.update(dueProgress).set({ seen_paused_at: at }).where(eq(dueProgress.definition_id, activityId)),
      );
    },

    settle: (activity_id, settlement) =>
      inTransaction(db, async (tx) => {
        const { until, skips, run, doneAt: done_at } = settlement;
        const made = await insertDueRun(tx, activity_id, settlement);
        const into = made && { into_run: made.run_id };
        await insertSkips(tx, activity_id, run?.compressed ? [...skips, { ...run.compressed, ...into }] : skips);
        await tx
          .insert(dueProgress)
          .values({ definition_id: activity_id, settled_until: until, done_at })
          .onConflictDoUpdate({ target: dueProgress.definition_id, set: { settled_until: until, done_at } });
        return made;
      }),
  };
}

function activitiesStatement() {
  // A definition that had a schedule is accounted for until it lost it; a deleted one until it was deleted.
  return sql`
    select d.id as activity_id, d.name as activity_name, d.enabled,
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

type DueRunRow = Pick<DueRun, "run_id" | "filled" | "skipped"> & {
  key: string;
  claimed: boolean;
  fired_at: string | null;
  finished_at: string | null;
};

/** The version in force at `since` and those after it; the last one of a deleted definition only says that it was deleted. */
export function versionsSince(id: SQL, since: SQL): SQL {
  return sql`
    select json_agg(json_build_object('version', x.version, 'created_at', x.created_at, 'trigger', x.body->'trigger_config',
      'enabled', x.body->'enabled', 'is_counted', x.body->'flow'->'max_concurrent_runs' is not null) order by x.version) as versions
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
        coalesce(r.status = 'skipped', false) as skipped, r.fired_at,
        -- One that waits for others is not going.
        case when r.status = 'queued' then r.fired_at else r.finished_at end as finished_at
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
  return rows.map(({ key, claimed, fired_at, finished_at, ...run }) => {
    const due = new Date(key);
    // A run that retention has removed is over.
    const finishedAt = finished_at ?? (fired_at === null && claimed ? key : undefined);
    return {
      ...run,
      due,
      firedAt: fired_at === null ? due : new Date(fired_at),
      ...(finishedAt !== undefined && { finishedAt: new Date(finishedAt) }),
    };
  });
}

/** Undefined: the settlement makes no run, or somebody has its due time already. */
async function insertDueRun(
  tx: Transaction,
  activity_id: string,
  { run, trigger }: SettlementRecord,
): Promise<AcceptedRun | undefined> {
  if (run === undefined) return undefined;
  const { due, compressed } = run;
  const activity = await lockAgainstChange(tx, activity_id);
  const run_id = Bun.randomUUIDv7();
  const workflow_id = dueWorkflowId(activity_id, due);
  const occurrence = { kind: "due" as const, key: dueKey(due), event_id: null, workflow_id };
  const flow_key = findFlowKey(activity.flow, undefined);
  if ((await insertOccurrence(tx, activity, run_id, occurrence, flow_key)) !== undefined) return undefined;
  const context = compressed && { context_snapshot: describeGap(compressed) };
  const trace_id = runTraceId(run_id);
  return insertRun(tx, activity, { run_id, workflow_id, trigger, scheduled_for: due, trace_id, flow_key, ...context });
}

async function insertSkips(tx: Transaction, activity_id: string, skips: readonly SkippedStretch[]): Promise<void> {
  if (skips.length === 0) return;
  const rows = skips.map((stretch) => ({ activity_id, ...stretch }));
  await inChunks(rows, (chunk) => tx.insert(dueSkips).values(chunk).onConflictDoNothing());
  for (const stretch of skips)
    if (stretch.into_run)
      await tx
        .update(runs)
        .set({ context_snapshot: describeGap(stretch) })
        .where(
          and(
            eq(runs.run_id, stretch.into_run),
            or(isNull(runs.context_snapshot), sql`${runs.context_snapshot}::text = '{}'`),
          ),
        );
}
