/** Runs in Postgres: decide once, close once. */
import { and, eq, sql } from "drizzle-orm";
import { TerminalError } from "../../kernel/errors.ts";
import type { RunLedger, TaskOutcome } from "../../run/ledger.ts";
import type { RunClose } from "../../run/run.ts";
import { type Database, guarded, storableText } from "../client.ts";
import { definitionVersions } from "../definition-tables.ts";
import { occurrences, runs, tasks } from "../ledger-tables.ts";
import { INPUT_COLUMNS, INPUT_EVENT, type InputRow, toTaskInput } from "./task-input.ts";
import { storable } from "./task-ledger.ts";

export function createRunLedger(db: Database): RunLedger {
  return {
    async findPinned(runId) {
      const [row] = await guarded(
        db
          .select({
            id: runs.activity_id,
            name: runs.activity_name,
            version: definitionVersions.version,
            since: definitionVersions.created_at,
            body: definitionVersions.body,
            kind: occurrences.kind,
            key: occurrences.key,
          })
          .from(runs)
          .innerJoin(occurrences, eq(occurrences.run_id, runs.run_id))
          .innerJoin(
            definitionVersions,
            and(
              eq(definitionVersions.definition_id, runs.activity_id),
              eq(definitionVersions.version, runs.version_used),
            ),
          )
          .where(eq(runs.run_id, runId)),
      );
      if (row === undefined) return undefined;
      const { kind, key, ...version } = row;
      return { run_id: runId, kind, key, activity: { ...version, enabled: version.body.enabled, deleted: false } };
    },

    async recordDecision(runId, instances, begin = new Set()) {
      // Parameters travel as text within the rows: postgres/event/event-ledger.ts says why.
      const rows = instances.map((instance) => ({
        ...instance,
        params: JSON.stringify(instance.params),
        attempts: begin.has(instance.task_id) ? 1 : 0,
      }));
      const [recorded] = await guarded(
        db.execute<InputRow & { decided: boolean }>(sql`
          with decided as (
            update ${runs} set tasks_spawned = ${instances.length}, context_snapshot = coalesce(context_snapshot, '{}')
            where run_id = ${runId} and tasks_spawned is null and finished_at is null returning activity_id
          ), recorded as (
            insert into ${tasks} (task_id, idempotency_key, run_id, activity_id, key, type, status, attempts, started_at, params, policy)
            select t.task_id, t.idempotency_key, ${runId}::uuid, d.activity_id, t.key, t.type,
              case t.attempts when 0 then 'pending' else 'running' end, t.attempts, case t.attempts when 1 then now() end, t.params::json, t.policy
            from decided d, json_to_recordset(${JSON.stringify(rows)}::json)
              as t(task_id uuid, idempotency_key uuid, key text, type text, attempts int, params text, policy json)
            on conflict do nothing
          )
          select exists (select from decided) as decided, ${INPUT_COLUMNS}
          from ${runs} r ${INPUT_EVENT} where r.run_id = ${runId}`),
      );
      if (recorded === undefined) throw unknownRun(runId);
      if (!recorded.decided) {
        const { task_id, policy, status, attempts } = tasks;
        const standing = db.select({ task_id, policy, status, attempts }).from(tasks);
        return { tasks: await guarded(standing.where(eq(tasks.run_id, runId)).orderBy(tasks.key)), begun: [] };
      }
      const begun = instances.filter(({ task_id }) => begin.has(task_id));
      const input = toTaskInput(recorded);
      return {
        tasks: rows.map(({ task_id, policy, attempts }) => {
          return { task_id, policy, attempts, status: attempts === 0 ? "pending" : "running" };
        }),
        begun: begun.map(({ policy, ...task }) => {
          return { ...task, attempt: 1, trace_id: recorded.trace_id, timeout_ms: policy.timeout_ms, input };
        }),
      };
    },

    async close(request) {
      const [row] = await guarded(db.execute<ClosedRow>(closeStatement(request)));
      if (row === undefined) throw unknownRun(request.run_id);
      const { status, reason, activity_id, activity_name, closed_now } = row;
      return {
        run_id: request.run_id,
        status,
        ...(reason !== null && { reason }),
        activity: { activity_id, activity_name },
        closedNow: closed_now,
      };
    },
  };
}

function unknownRun(runId: string): TerminalError {
  return new TerminalError("run_not_found", `run ${runId} is not in the ledger`);
}

type ClosedRow = Pick<typeof runs.$inferSelect, "status" | "reason" | "activity_id" | "activity_name"> & {
  closed_now: boolean;
};

type CloseRequest = RunClose & { outcomes?: readonly TaskOutcome[] };

/** As text within the row, as parameters are. */
function outcomeRow(outcome: TaskOutcome) {
  const { task_id, status } = outcome;
  return outcome.status === "succeeded"
    ? { task_id, status, result: JSON.stringify(outcome.result) }
    : { task_id, status, error: JSON.stringify(storable(outcome.error)) };
}

/** The ledger counts a try before it begins, so a task without one has done nothing, whatever the engine lost. */
const NEVER_BEGUN = "it was handed to a worker, which was not heard of before it began: nothing was done";

/** Ends what is unfinished, then closes the run by its tasks: one statement, so a crash leaves it open or closed. */
function closeStatement({ run_id, failures, interruption, outcomes = [] }: CloseRequest) {
  const cancelled = interruption?.status === "cancelled";
  const failure = interruption?.status === "failed" ? interruption : undefined;
  const message = failure === undefined ? null : storableText(failure.message);
  // A run must close whatever text from outside an error's message contains.
  const reasons = failures.map((each) => ({ ...each, message: storableText(each.message) }));
  return sql`
    with failure as (
      select * from json_to_recordset(${JSON.stringify(reasons)}::json) as f(task_id uuid, code text, message text)
    ), outcome as (
      select * from json_to_recordset(${JSON.stringify(outcomes.map(outcomeRow))}::json)
        as o(task_id uuid, status text, result text, error text)
    ), done as (
      update ${tasks} t set status = o.status, result = o.result::json, error = o.error::json, finished_at = now()
      from outcome o where t.task_id = o.task_id and t.run_id = ${run_id} and t.attempts = 1 and t.finished_at is null
      returning key, t.status, t.error
    ), ended as (
      update ${tasks} t set
        status = ${cancelled ? "cancelled" : "failed"},
        finished_at = now(),
        error = coalesce(
          (select json_build_object('code', f.code, 'message', case when t.attempts = 0 then ${NEVER_BEGUN} else f.message end)
            from failure f where f.task_id = t.task_id and f.code is not null),
          t.error,
          json_build_object('code', ${cancelled ? "cancelled" : "not_finished"}::text, 'message',
            coalesce((select f.message from failure f where f.task_id = t.task_id), ${message}, 'the run ended before the task did')))
      where t.run_id = ${run_id} and t.finished_at is null and ${outcomes.length === 0}
      returning key, status, t.error
    ), failed as (
      select key, error from ended where status = 'failed'
      union all select key, error from done where status = 'failed'
      union all select key, error from ${tasks} where run_id = ${run_id} and status = 'failed'
    ), verdict as (
      select case when ${cancelled} then 'cancelled'
                  when ${message}::text is not null or exists (select from failed) then 'failed'
                  else 'succeeded' end as status,
             case when ${cancelled} then 'cancelled'
                  when ${message}::text is not null then ${failure?.reason ?? "error"}
                  when exists (select from failed) then 'task_failed' end as reason,
             coalesce(${message}, (select left(string_agg(key || ': ' || (error->>'message'), '; ' order by key), 2000) from failed)) as error
    ), closed as (
      update ${runs} r set status = v.status, reason = v.reason, error = v.error, finished_at = now()
      from verdict v where r.run_id = ${run_id} and r.finished_at is null
        and (select count(*) from done) = ${outcomes.length}
      returning r.status, r.reason, r.activity_id, r.activity_name
    ), disowned as (
      -- An accepted run that is cancelled before its workflow began: nobody claims it any more.
      update ${occurrences} set claimed_by = 'cancelled'
      where ${cancelled} and run_id = ${run_id} and claimed_by is null
    )
    select *, true as closed_now from closed
    union all
    select status, reason, activity_id, activity_name, false from ${runs} where run_id = ${run_id} and not exists (select from closed)`;
}
