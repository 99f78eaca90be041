/** Tasks in Postgres: begun, then finished once. What an attempt that is not the latest reports changes nothing. */
import { and, eq, isNull, lte, sql } from "drizzle-orm";
import { isExactNumber } from "../../json/exact-number.ts";
import { TerminalError } from "../../kernel/errors.ts";
import type { TaskError, TaskLedger, TaskStatus } from "../../task/task.ts";
import { type Database, guarded, storableText, withoutUnstorable } from "../client.ts";
import { runs } from "../ledger-tables.ts";
import { RELAXED_COMMIT } from "../relaxed-commit.ts";
import { tasks } from "../task-tables.ts";
import { CANCELLED_BY, endedAs, IS_CANCEL_REQUESTED } from "./cancelled.ts";
import { INPUT_COLUMNS, INPUT_EVENT, type InputRow, toTaskInput } from "./task-input.ts";

type BegunRow = InputRow &
  Pick<typeof tasks.$inferSelect, "key" | "type" | "attempts" | "params" | "sources" | "policy"> & {
    idempotency_key: string;
  };

export function createTaskLedger(db: Database): TaskLedger {
  async function record(
    taskId: string,
    attempt: number,
    set: { status: TaskStatus; result?: unknown; error?: TaskError | null },
  ) {
    const finished_at = set.status === "retrying" ? sql`case when ${IS_CANCEL_REQUESTED} then now() end` : sql`now()`;
    // A try that does not succeed is the last one where the task is to be cancelled.
    const end =
      set.status === "succeeded"
        ? set
        : {
            status: endedAs(set.status),
            error: sql`case when ${IS_CANCEL_REQUESTED} then ${CANCELLED_BY} else ${sql.param(set.error, tasks.error)}::json end`,
          };
    await guarded(
      db
        .update(tasks)
        .set({ ...end, finished_at, attempts: attempt })
        .where(and(eq(tasks.task_id, taskId), lte(tasks.attempts, attempt), isNull(tasks.finished_at))),
    );
  }

  return {
    async begin(taskId) {
      const [row] = await guarded(db.execute<BegunRow>(beginStatement(taskId)));
      if (row === undefined) {
        const [known] = await guarded(db.select({ status: tasks.status }).from(tasks).where(eq(tasks.task_id, taskId)));
        if (known === undefined) throw new TerminalError("task_not_found", `task ${taskId} is not in the ledger`);
        return undefined;
      }
      const { idempotency_key, key, type, params, sources, attempts, trace_id, policy } = row;
      return {
        ...{ task_id: taskId, idempotency_key, key, type, params, trace_id, ...(sources !== null && { sources }) },
        ...{ attempt: attempts, timeout_ms: policy.timeout_ms, input: toTaskInput(row) },
      };
    },
    succeed: (taskId, attempt, result) => record(taskId, attempt, { status: "succeeded", result, error: null }),
    retry: (taskId, attempt, error) => record(taskId, attempt, { status: "retrying", error: storable(error) }),
    fail: (taskId, attempt, error) => record(taskId, attempt, { status: "failed", error: storable(error) }),
  };
}

/**
 * The close of the run reads the message as text, and for that Postgres reads the whole error: what the outside answered
 * must be text that it can keep, to the last key.
 */
export function storable({ details, ...error }: TaskError): TaskError {
  const message = storableText(error.message);
  return { ...error, message, ...(details !== undefined && { details: storableJson(details) }) };
}

function storableJson<T>(value: T): T;
function storableJson(value: unknown): unknown {
  if (typeof value === "string") return withoutUnstorable(value);
  if (Array.isArray(value)) return value.map(storableJson);
  if (typeof value !== "object" || value === null || isExactNumber(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [withoutUnstorable(key), storableJson(inner)]));
}

/**
 * A task whose cancellation was asked for ends instead. Its commit does not wait for the disk. Should a crash of Postgres undo the beginning of a try, its end is recorded all the
 * same.
 */
function beginStatement(taskId: string) {
  return sql`
    with ${RELAXED_COMMIT}, begun as (
      update ${tasks} set status = ${endedAs("running")}, attempts = attempts + case when ${IS_CANCEL_REQUESTED} then 0 else 1 end,
        started_at = case when ${IS_CANCEL_REQUESTED} then started_at else coalesce(started_at, now()) end,
        finished_at = case when ${IS_CANCEL_REQUESTED} then now() end,
        error = case when ${IS_CANCEL_REQUESTED} then ${CANCELLED_BY} else error end
      from relaxed where task_id = ${taskId} and finished_at is null
      returning status, coalesce(idempotency_key, task_id) as idempotency_key, run_id, key, type, attempts, params, sources, policy
    )
    select b.idempotency_key, b.key, b.type, b.attempts, b.params, b.sources, b.policy, ${INPUT_COLUMNS}
    from begun b join ${runs} r using (run_id) ${INPUT_EVENT} where b.status = 'running'`;
}
