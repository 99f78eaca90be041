/** Runs in Postgres: decide once, close once. */
import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import { TerminalError } from "../../kernel/errors.ts";
import type { ClosedRun, NewRound, RunLedger, TaskOutcome } from "../../run/ledger.ts";
import type { RunClose, TaskFailure } from "../../run/run.ts";
import { type Database, guarded, storableText } from "../client.ts";
import { definitionVersions } from "../definition-tables.ts";
import { occurrences, runs, tasks } from "../ledger-tables.ts";
import { readRunState } from "./run-state.ts";
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

    async readState(runId, resultsOf) {
      const state = await readRunState(db, runId, resultsOf);
      if (state === undefined) throw unknownRun(runId);
      return state;
    },

    async recordContext(runId, { values, sources }) {
      const context_sources = sources.map(({ error, ...report }) => ({
        ...report,
        ...(error !== undefined && { error: storableText(error) }),
      }));
      const set = { context_sources, ...(values !== undefined && { context_snapshot: values }) };
      const ofRun = and(eq(runs.run_id, runId), isNull(runs.context_snapshot), isNull(runs.finished_at));
      await guarded(db.update(runs).set(set).where(ofRun));
    },

    async recordRound(runId, round, begin = new Set()) {
      const [recorded] = await guarded(db.execute<InputRow & { is_new: boolean }>(roundStatement(runId, round, begin)));
      if (recorded === undefined) throw unknownRun(runId);
      if (!recorded.is_new || round.round > 1) {
        const { task_id, policy, status, attempts } = tasks;
        const standing = db.select({ task_id, policy, status, attempts }).from(tasks);
        const all = await guarded(standing.where(eq(tasks.run_id, runId)).orderBy(tasks.key, tasks.instance));
        return { isNew: recorded.is_new, tasks: all, begun: [] };
      }
      const input = toTaskInput(recorded);
      const { trace_id } = recorded;
      return {
        isNew: true,
        tasks: round.instances.map(({ task_id, policy, taken }) => {
          const isBegun = begin.has(task_id);
          const status = taken !== undefined ? "succeeded" : isBegun ? "running" : "pending";
          return { task_id, policy, status, attempts: isBegun ? 1 : 0 };
        }),
        begun: round.instances
          .filter(({ task_id }) => begin.has(task_id))
          .map(({ policy, instance: _, ...task }) => {
            return { ...task, attempt: 1, trace_id, timeout_ms: policy.timeout_ms, input };
          }),
      };
    },

    async failTasks(runId, failures) {
      if (failures.length === 0) return;
      await guarded(db.execute(failStatement(runId, failures)));
    },

    async close(request) {
      const [row] = await guarded(db.execute<ClosedRow>(closeStatement(request)));
      return toClosed(request.run_id, row);
    },

    async skip(runId, detail, templates) {
      const decisions = JSON.stringify({ round: 1, templates });
      const [row] = await guarded(
        db.execute<ClosedRow>(sql`
          with closed as (
            update ${runs} set status = 'skipped', reason = 'condition', detail = ${storableText(detail)},
              decisions = ${decisions}::json, tasks_spawned = 0, finished_at = now()
            where run_id = ${runId} and finished_at is null and decisions is null
            returning status, reason, activity_id, activity_name
          )
          select *, true as closed_now from closed
          union all
          select status, reason, activity_id, activity_name, false from ${runs}
          where run_id = ${runId} and not exists (select from closed)`),
      );
      return toClosed(runId, row);
    },
  };
}

/**
 * Parameters, results and decisions travel as text within the rows: postgres/event/event-ledger.ts says why. Empty for an unknown
 * run.
 */
function roundStatement(
  runId: string,
  { round, templates, instances, skip = [] }: NewRound,
  begin: ReadonlySet<string>,
) {
  const rows = instances.map(({ params, sources, taken, ...instance }) => ({
    ...instance,
    params: JSON.stringify(params),
    sources: sources && JSON.stringify(sources),
    attempts: begin.has(instance.task_id) ? 1 : 0,
    ...(taken && { taken_from: taken.task_id, result: JSON.stringify(taken.result) }),
  }));
  const decisions = JSON.stringify({ round, templates });
  const isNext = round === 1 ? sql`tasks_spawned is null` : sql`(decisions->>'round')::integer = ${round - 1}`;
  return sql`
    with decided as (
      update ${runs} set tasks_spawned = coalesce(tasks_spawned, 0) + ${instances.length}, decisions = ${decisions}::json,
        context_snapshot = coalesce(context_snapshot, '{}')
      where run_id = ${runId} and ${isNext} and finished_at is null returning activity_id
    ), recorded as (
      insert into ${tasks} (task_id, idempotency_key, run_id, activity_id, key, instance, type, status, attempts, started_at,
        finished_at, params, sources, policy, result, taken_from)
      select t.task_id, t.idempotency_key, ${runId}::uuid, d.activity_id, t.key, t.instance, t.type,
        case when t.taken_from is not null then 'succeeded' when t.attempts = 1 then 'running' else 'pending' end,
        t.attempts, case t.attempts when 1 then now() end, case when t.taken_from is not null then now() end,
        t.params::json, t.sources::json, t.policy, t.result::json, t.taken_from
      from decided d, json_to_recordset(${JSON.stringify(rows)}::json)
        as t(task_id uuid, idempotency_key uuid, key text, instance int, type text, attempts int, params text, sources text,
          policy json, result text, taken_from uuid)
      on conflict do nothing
    )${skip.length > 0 ? skipTasks(runId, skip) : sql``}
    select exists (select from decided) as is_new, ${INPUT_COLUMNS}
    from ${runs} r ${INPUT_EVENT} where r.run_id = ${runId}`;
}

function skipTasks(runId: string, keys: readonly string[]): SQL {
  return sql`, skipped as (
      update ${tasks} t set status = 'skipped', finished_at = now() from decided
      where t.run_id = ${runId} and t.finished_at is null and t.attempts = 0
        and t.key in (select json_array_elements_text(${JSON.stringify(keys)}::json))
    )`;
}

/** What only the engine knows of a task's last try, unless the task has ended. */
function failStatement(runId: string, failures: readonly TaskFailure[]) {
  return sql`
    update ${tasks} t set status = 'failed', finished_at = now(), error = ${failureOf(sql`t.error`)}
    from json_to_recordset(${toFailureRows(failures)}::json) as f(task_id uuid, code text, message text)
    where t.run_id = ${runId} and t.task_id = f.task_id and t.finished_at is null`;
}

/** The error of a task `t` that the failure `f` names: what the engine saw, or what the try itself recorded. */
function failureOf(recorded: SQL): SQL {
  return sql`coalesce(
    case when f.code is not null then json_build_object('code', f.code, 'message',
      case when t.attempts = 0 then ${NEVER_BEGUN} else f.message end) end,
    ${recorded}, json_build_object('code', 'not_finished', 'message', f.message))`;
}

/** A run must close whatever text from outside an error's message contains. */
function toFailureRows(failures: readonly TaskFailure[]): string {
  return JSON.stringify(failures.map((each) => ({ ...each, message: storableText(each.message) })));
}

/** @throws TerminalError `run_not_found` where no row was answered */
function toClosed(run_id: string, row: ClosedRow | undefined): ClosedRun {
  if (row === undefined) throw unknownRun(run_id);
  const { status, reason, activity_id, activity_name, closed_now } = row;
  return {
    ...{ run_id, status, ...(reason !== null && { reason }) },
    activity: { activity_id, activity_name },
    closedNow: closed_now,
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
  return sql`
    with failure as (
      select * from json_to_recordset(${toFailureRows(failures)}::json) as f(task_id uuid, code text, message text)
    ), outcome as (
      select * from json_to_recordset(${JSON.stringify(outcomes.map(outcomeRow))}::json)
        as o(task_id uuid, status text, result text, error text)
    ), done as (
      update ${tasks} t set status = o.status, result = o.result::json, error = o.error::json, finished_at = now()
      from outcome o where t.task_id = o.task_id and t.run_id = ${run_id} and t.attempts = 1 and t.finished_at is null
      returning key, t.status, t.error, t.policy
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
      returning key, status, t.error, t.policy
    ), failed as (
      select key, error from (
        select key, status, error, policy from ended
        union all select key, status, error, policy from done
        union all select key, status, error, policy from ${tasks} where run_id = ${run_id}
      ) each
      where status = 'failed' and policy->>'allow_failure' is null
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
