/** Runs that somebody but the engine asked for: recorded with their occurrence and input before anything is started (I8). */
import { and, eq, isNull, sql } from "drizzle-orm";
import { OWN_EVENT_IDS } from "../../event/envelope.ts";
import { TerminalError } from "../../kernel/errors.ts";
import type { AcceptanceLedger } from "../../occurrence/control.ts";
import {
  dueKey,
  dueWorkflowId,
  eventWorkflowId,
  repeatedWorkflowId,
  rerunWorkflowId,
  runTraceId,
} from "../../occurrence/occurrence.ts";
import type { AcceptedRun } from "../../run/engine.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, guarded, inTransaction, type Transaction } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { eventKeys, eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";

/** The definition that a run is accepted for, and its version, which the run pins. */
type Accepting = Pick<typeof definitions.$inferSelect, "id" | "name" | "version">;

export function createAcceptanceLedger(db: Database): AcceptanceLedger {
  return {
    acceptManual: ({ activity_id, payload, requestKey, actor }) =>
      inTransaction(db, async (tx) => {
        const activity = await lockAgainstChange(tx, activity_id);
        const run_id = Bun.randomUUIDv7();
        const event_id = `${OWN_EVENT_IDS.manual}${run_id}`;
        const workflow_id = eventWorkflowId(activity_id, event_id);
        // A prefix keeps keys that somebody chose apart from ids of runs.
        const key = requestKey === undefined ? run_id : `request:${requestKey}`;
        const occurrence = { kind: "manual" as const, key, event_id, workflow_id };
        const standing = await insertOccurrence(tx, activity, run_id, occurrence);
        if (standing !== undefined) return standing;
        const row_id = Bun.randomUUIDv7();
        const trace_id = runTraceId(run_id, event_id);
        await tx.insert(eventKeys).values({ event_id, row_id });
        const envelope = { type: "actcore.manual", source: "rest", occurred_at: new Date().toISOString(), payload };
        await tx.insert(events).values({ row_id, event_id, outcome: "dispatched", trace_id, ...envelope });
        const reached = { activity_id, activity_name: activity.name, outcome: "run" as const, run_id };
        await tx.insert(eventOutcomes).values({ row_id, ...reached });
        return insertRun(
          tx,
          activity,
          { run_id, workflow_id, trigger: "manual", event_id, trace_id },
          { actor, action: "trigger" },
        );
      }),

    acceptRerun: ({ run_id: rerun_of, actor }) =>
      inTransaction(db, async (tx) => {
        // The lock makes concurrent reruns of one run take their numbers in turn.
        const [old] = await tx.select().from(runs).where(eq(runs.run_id, rerun_of)).for("update");
        if (old === undefined) throw new TerminalError("not_found", `run ${rerun_of} is not there`);
        const activity = await lockAgainstChange(tx, old.activity_id);
        const { event_id, scheduled_for, trace_id } = old;
        if (event_id !== null) await requireKept(tx, event_id);
        const repeated = old.rerun_of === null ? old.workflow_id : repeatedWorkflowId(old.workflow_id);
        const run_id = Bun.randomUUIDv7();
        // Usually the first number is free. It is not where retention has removed earlier reruns and kept their occurrences.
        let workflow_id = "";
        for (let number = (await countReruns(tx, rerun_of)) + 1; ; number++) {
          workflow_id = rerunWorkflowId(repeated, number);
          const occurrence = { kind: "rerun" as const, key: workflow_id, event_id, workflow_id };
          if ((await insertOccurrence(tx, activity, run_id, occurrence)) === undefined) break;
        }
        const run = { run_id, workflow_id, trigger: "rerun" as const, event_id, scheduled_for, trace_id, rerun_of };
        return insertRun(tx, activity, run, { actor, action: "rerun" });
      }),

    acceptBackfill: ({ activity_id, due, actor }) =>
      inTransaction(db, async (tx) => {
        const { name: activity_name, version } = await lockAgainstChange(tx, activity_id);
        const rows = due.map((at) => {
          const run_id = Bun.randomUUIDv7();
          const workflow_id = `${dueWorkflowId(activity_id, at)}:backfill-${run_id}`;
          return { run_id, key: dueKey(at), workflow_id, trace_id: runTraceId(run_id) };
        });
        const made = await tx.execute<{ run_id: string; key: string; workflow_id: string }>(sql`
            with wanted as (
              select * from json_to_recordset(${JSON.stringify(rows)}::json)
                as w(key text, run_id uuid, workflow_id text, trace_id text)
            ), taken as (
              insert into ${occurrences} as o (activity_id, kind, key, run_id, workflow_id, version_used)
              select ${activity_id}::uuid, 'due', key, run_id, workflow_id, ${version}::integer
              from wanted order by key
              on conflict (activity_id, kind, key) do update set run_id = excluded.run_id,
                workflow_id = excluded.workflow_id, claimed_by = null, version_used = excluded.version_used
              where exists (select from ${runs} r where r.run_id = o.run_id and r.status = 'skipped')
              returning run_id, key, workflow_id
            ), opened as (
              insert into ${runs} (run_id, activity_id, activity_name, trigger, status, scheduled_for, trace_id, workflow_id, version_used)
              select run_id, ${activity_id}::uuid, ${activity_name}, 'backfill', 'running', taken.key::timestamptz,
                trace_id, workflow_id, ${version}::integer
              from taken join wanted using (run_id, workflow_id)
            )
            select run_id, key, workflow_id from taken order by key`);
        const [first, last] = [made[0]?.key, made.at(-1)?.key];
        const after = { runs: made.length, first, last };
        await writeAudit(tx, { actor, action: "backfill", subject: `definition:${activity_id}`, after });
        return made.map(({ run_id, key, workflow_id }) => ({
          ...toAccepted({ activity_id, activity_name, run_id, workflow_id }),
          scheduled_for: key,
        }));
      }),

    async listRun(activityId, due) {
      const rows = await guarded(
        db.execute<{ key: string }>(sql`
          select o.key from ${occurrences} o left join ${runs} r using (run_id)
          where o.activity_id = ${activityId} and o.kind = 'due' and r.status is distinct from 'skipped'
            and o.key in (select json_array_elements_text(${JSON.stringify(due.map(dueKey))}::json))`),
      );
      return new Set(rows.map(({ key }) => key));
    },

    auditCancel: ({ run_id, actor }) => guarded(writeAudit(db, { actor, action: "cancel", subject: `run:${run_id}` })),
  };
}

/** How many reruns there are of the run that this one repeats, directly or over other reruns. */
async function countReruns(tx: Transaction, runId: string): Promise<number> {
  const [row] = await tx.execute<{ reruns: number }>(sql`
    with recursive up as (
      select run_id, rerun_of from ${runs} where run_id = ${runId}
      union select r.run_id, r.rerun_of from up join ${runs} r on r.run_id = up.rerun_of
    ), down as (
      -- Retention may have removed the run that the oldest one repeats: its id is enough.
      select coalesce(rerun_of, run_id) as run_id from up
      where not exists (select from ${runs} r where r.run_id = up.rerun_of)
      union select r.run_id from down join ${runs} r on r.rerun_of = down.run_id
    )
    select count(*)::integer - 1 as reruns from down`);
  return row?.reruns ?? 0;
}

/** @throws TerminalError `input_not_kept` */
async function requireKept(tx: Transaction, eventId: string): Promise<void> {
  const [kept] = await tx
    .select({ row_id: events.row_id })
    .from(eventKeys)
    .innerJoin(events, eq(events.row_id, eventKeys.row_id))
    .where(eq(eventKeys.event_id, eventId));
  if (kept === undefined)
    throw new TerminalError("input_not_kept", `the event ${eventId} of the run is not kept any more`, {
      hint: "Publish the event again under another id",
    });
}

/** A live definition. A change of it waits until the transaction ends; other acceptances do not. */
export async function lockAgainstChange(tx: Transaction, id: string): Promise<Accepting> {
  const { name, version } = definitions;
  const query = tx.select({ id: definitions.id, name, version }).from(definitions);
  const [row] = await query.where(and(eq(definitions.id, id), isNull(definitions.deleted_at))).for("share");
  if (row === undefined) throw new TerminalError("definition_not_found", `definition ${id} is not there`);
  return row;
}

/** Answers the run that has the occurrence already; undefined when it was free, and belongs to `run_id` now. */
export async function insertOccurrence(
  tx: Transaction,
  { id: activity_id, name: activity_name, version: version_used }: Accepting,
  run_id: string,
  occurrence: Pick<typeof occurrences.$inferInsert, "kind" | "key" | "event_id" | "workflow_id">,
): Promise<AcceptedRun | undefined> {
  const row = { activity_id, run_id, version_used, ...occurrence };
  const inserted = await tx
    .insert(occurrences)
    .values(row)
    .onConflictDoNothing()
    .returning({ run_id: occurrences.run_id });
  if (inserted.length > 0) return undefined;
  const same = and(
    eq(occurrences.activity_id, activity_id),
    eq(occurrences.kind, occurrence.kind),
    eq(occurrences.key, occurrence.key),
  );
  const [standing] = await tx.select().from(occurrences).where(same);
  if (standing === undefined) throw new Error("an occurrence that conflicts is not there");
  return toAccepted({ activity_id, activity_name, run_id: standing.run_id, workflow_id: standing.workflow_id ?? "" });
}

export async function insertRun(
  tx: Transaction,
  { id: activity_id, name: activity_name, version: version_used }: Accepting,
  run: Omit<typeof runs.$inferInsert, "activity_id" | "activity_name" | "version_used" | "status">,
  audit?: { actor: string; action: string },
): Promise<AcceptedRun> {
  await tx
    .insert(runs)
    .values({ ...run, activity_id, activity_name, version_used, status: "running", fired_at: sql`now()` });
  if (audit)
    await writeAudit(tx, {
      ...audit,
      subject: `run:${run.run_id}`,
      after: { activity_id, activity_name, version_used },
    });
  return toAccepted({ activity_id, activity_name, run_id: run.run_id, workflow_id: run.workflow_id });
}

function toAccepted(run: Omit<AcceptedRun, "trigger_event">): AcceptedRun {
  return { ...run, trigger_event: { run_id: run.run_id } };
}
