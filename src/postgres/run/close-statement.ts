/** The statements that end tasks of a run, and close it. */
import { type SQL, sql } from "drizzle-orm";
import type { TaskOutcome } from "../../run/ledger.ts";
import type { RunClose, TaskFailure } from "../../run/run.ts";
import { storableText } from "../client.ts";
import { runNews, WAKE_PUBLISHER } from "../event/run-news.ts";
import { TELL_IF_COUNTED } from "../flow/gate-news.ts";
import { occurrences, runs } from "../ledger-tables.ts";
import { tasks } from "../task-tables.ts";
import { CANCELLED_BY, endedAs, IS_CANCEL_REQUESTED } from "./cancelled.ts";
import { storable } from "./task-ledger.ts";

/** What only the engine knows of a task's last try, unless the task has ended. */
export function failStatement(runId: string, failures: readonly TaskFailure[]) {
  return sql`
    update ${tasks} t set status = ${endedAs("failed")}, finished_at = now(), error = ${failureOf(sql`t.error`)}
    from json_to_recordset(${toFailureRows(failures)}::json) as f(task_id uuid, code text, message text)
    where t.run_id = ${runId} and t.task_id = f.task_id and t.finished_at is null`;
}

/** The error of a task `t` that the failure `f` names: what the engine saw, or what the try itself recorded. */
function failureOf(recorded: SQL): SQL {
  return sql`coalesce(
    case when ${IS_CANCEL_REQUESTED} then ${CANCELLED_BY} end,
    case when f.code is not null then json_build_object('code', f.code, 'message',
      case when t.attempts = 0 then ${NEVER_BEGUN} else f.message end) end,
    ${recorded}, json_build_object('code', 'not_finished', 'message', f.message))`;
}

/** A run must close whatever text from outside an error's message contains. */
function toFailureRows(failures: readonly TaskFailure[]): string {
  return JSON.stringify(failures.map((each) => ({ ...each, message: storableText(each.message) })));
}

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
export function closeStatement({ run_id, failures, interruption, reopened, outcomes = [] }: CloseRequest) {
  const cancelled = interruption?.status === "cancelled";
  const failure = interruption?.status === "failed" ? interruption : undefined;
  const message = failure === undefined ? null : storableText(failure.message);
  // A workflow that repeats its close must not close a run that was opened again since.
  const isCurrent =
    reopened === undefined
      ? sql`true`
      : sql`exists (select from ${runs} where run_id = ${run_id} and reopened = ${reopened})`;
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
        status = ${endedAs(cancelled ? "cancelled" : "failed")},
        finished_at = now(),
        error = coalesce(
          case when ${IS_CANCEL_REQUESTED} then ${CANCELLED_BY} end,
          (select json_build_object('code', f.code, 'message', case when t.attempts = 0 then ${NEVER_BEGUN} else f.message end)
            from failure f where f.task_id = t.task_id and f.code is not null),
          t.error,
          json_build_object('code', ${cancelled ? "cancelled" : "not_finished"}::text, 'message',
            coalesce((select f.message from failure f where f.task_id = t.task_id), ${message}, 'the run ended before the task did')))
      where t.run_id = ${run_id} and t.finished_at is null and ${outcomes.length === 0} and ${isCurrent}
      returning key, status, t.error, t.policy
    ), failed as (
      select key, error from (
        select key, status, error, policy from ended
        union all select key, status, error, policy from done
        union all select key, status, error, policy from ${tasks} where run_id = ${run_id}
      ) each
      where status in ('failed', 'cancelled') and policy->>'allow_failure' is null
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
      from verdict v where r.run_id = ${run_id} and r.finished_at is null and ${isCurrent}
        and (select count(*) from done) = ${outcomes.length}
      returning r.*, ${TELL_IF_COUNTED} as counted
    ), disowned as (
      -- An accepted run that is cancelled before its workflow began: nobody claims it any more.
      update ${occurrences} set claimed_by = 'cancelled'
      where ${cancelled} and run_id = ${run_id} and claimed_by is null
    )${runNews(sql`closed`)}
    select status, reason, activity_id, activity_name, true as closed_now, ${WAKE_PUBLISHER} from closed
    union all
    select status, reason, activity_id, activity_name, false, null from ${runs}
    where run_id = ${run_id} and not exists (select from closed)`;
}
