/** Runs that somebody but the engine asked for: recorded with their occurrence and input before anything is started (I8). */
import { sql } from "drizzle-orm";
import type { Flow } from "../../definition/flow.ts";
import { type EventEnvelope, OWN_EVENT_IDS } from "../../event/envelope.ts";
import { findFlowKey } from "../../flow/gate-key.ts";
import { describeError, InvalidInputError } from "../../kernel/errors.ts";
import type { AcceptanceLedger } from "../../occurrence/control.ts";
import { dueKey, dueWorkflowId, eventWorkflowId, QUEUED, runTraceId } from "../../occurrence/occurrence.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, guarded, inTransaction } from "../client.ts";
import { runNews, WAKE_PUBLISHER } from "../event/run-news.ts";
import { tellGates } from "../flow/gate-news.ts";
import { eventKeys, eventOutcomes, events, occurrences, runs } from "../ledger-tables.ts";
import { insertOccurrence, insertRun, lockAgainstChange, toAccepted } from "./accepted-run.ts";
import { acceptRerun } from "./rerun-acceptance.ts";

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
        const occurred_at = new Date().toISOString();
        const envelope = { type: "actcore.manual", source: "rest", occurred_at, payload };
        const flow_key = requireFlowKey(activity.flow, { event_id, ...envelope });
        const standing = await insertOccurrence(tx, activity, run_id, occurrence, flow_key);
        if (standing !== undefined) return standing;
        const row_id = Bun.randomUUIDv7();
        const trace_id = runTraceId(run_id, event_id);
        await tx.insert(eventKeys).values({ event_id, row_id });
        await tx.insert(events).values({ row_id, event_id, outcome: "dispatched", trace_id, ...envelope });
        const outcome = flow_key === undefined ? ("run" as const) : ("queued" as const);
        const reached = { activity_id, activity_name: activity.name, outcome, run_id };
        await tx.insert(eventOutcomes).values({ row_id, ...reached });
        return insertRun(
          tx,
          activity,
          { run_id, workflow_id, trigger: "manual", event_id, trace_id, flow_key },
          { actor, action: "trigger" },
        );
      }),

    acceptRerun: (request) => inTransaction(db, (tx) => acceptRerun(tx, request)),

    acceptBackfill: ({ activity_id, due, actor }) =>
      inTransaction(db, async (tx) => {
        const { name: activity_name, version, flow } = await lockAgainstChange(tx, activity_id);
        const flowKey = findFlowKey(flow, undefined) ?? null;
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
              insert into ${occurrences} as o (activity_id, kind, key, run_id, workflow_id, version_used, claimed_by)
              select ${activity_id}::uuid, 'due', key, run_id, workflow_id, ${version}::integer,
                case when ${flowKey}::text is not null then ${QUEUED} end
              from wanted order by key
              on conflict (activity_id, kind, key) do update set run_id = excluded.run_id,
                workflow_id = excluded.workflow_id, claimed_by = excluded.claimed_by, version_used = excluded.version_used
              where exists (select from ${runs} r where r.run_id = o.run_id and r.status = 'skipped')
              returning run_id, key, workflow_id
            ), opened as (
              insert into ${runs} (run_id, activity_id, activity_name, trigger, status, scheduled_for, trace_id, workflow_id, version_used,
                flow_key)
              select run_id, ${activity_id}::uuid, ${activity_name}, 'backfill',
                case when ${flowKey}::text is null then 'running' else 'queued' end, taken.key::timestamptz, trace_id, workflow_id,
                ${version}::integer, ${flowKey}
              from taken join wanted using (run_id, workflow_id)
            )
            select run_id, key, workflow_id, case when ${flowKey}::text is not null
              then ${tellGates(sql`${activity_id}`, sql`${flowKey}::text`)} end as told
            from taken order by key`);
        const [first, last] = [made[0]?.key, made.at(-1)?.key];
        const after = { runs: made.length, first, last };
        await writeAudit(tx, { actor, action: "backfill", subject: `definition:${activity_id}`, after });
        return made.map(({ run_id, key, workflow_id }) => ({
          ...toAccepted({ activity_id, activity_name, run_id, workflow_id }),
          scheduled_for: key,
          ...(flowKey !== null && { waits: true as const }),
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

    cancelQueued: ({ run_id, actor }) =>
      inTransaction(db, async (tx) => {
        const cancelled = await tx.execute(sql`
          with cancelled as (
            update ${runs} r set status = 'cancelled', reason = 'cancelled', finished_at = now()
            where run_id = ${run_id} and status = 'queued'
            returning r.*, ${tellGates(sql`r.activity_id`, sql`r.flow_key`)} as counted
          ), disowned as (
            update ${occurrences} o set claimed_by = 'cancelled' from cancelled c where o.run_id = c.run_id
          ), reached as (
            update ${eventOutcomes} e set outcome = 'run' from cancelled c join ${eventKeys} k on k.event_id = c.event_id
            where e.row_id = k.row_id and e.activity_id = c.activity_id and e.run_id = c.run_id and e.outcome = 'queued'
          )${runNews(sql`cancelled`)}
          select run_id, counted, ${WAKE_PUBLISHER} from cancelled`);
        if (cancelled.length > 0) await writeAudit(tx, { actor, action: "cancel", subject: `run:${run_id}` });
        return cancelled.length > 0;
      }),

    auditCancel: ({ run_id, actor }) => guarded(writeAudit(db, { actor, action: "cancel", subject: `run:${run_id}` })),
  };
}

/** @throws InvalidInputError `invalid_trigger` where the key of the activity's gates fails */
function requireFlowKey(flow: Flow | undefined, event: EventEnvelope): string | undefined {
  try {
    return findFlowKey(flow, event);
  } catch (error) {
    const fault = { path: "/payload", message: `the key of the activity's flow fails: ${describeError(error)}` };
    throw new InvalidInputError("the trigger is not valid", [fault], "invalid_trigger");
  }
}
