/** How a run stands, and what its expressions may read: one statement, and a second one for a rerun that takes tasks over. */
import { and, eq, sql } from "drizzle-orm";
import type { DecidedTask, RunState } from "../../run/ledger.ts";
import type { StandingTask, TakenTask } from "../../run/task-instance.ts";
import { valuesOfRun } from "../../run/values.ts";
import { type Database, guarded } from "../client.ts";
import { dueSkips, runs, tasks } from "../ledger-tables.ts";
import { INPUT_COLUMNS, INPUT_EVENT, type InputRow, toTaskInput } from "./task-input.ts";

type StateRow = InputRow &
  Pick<typeof runs.$inferSelect, "version_used" | "decisions" | "rerun_of" | "rerun_from"> & {
    fired_at: string;
    context_snapshot: Record<string, unknown> | null;
    compressed: number;
    is_over: boolean;
    tasks: (StandingTask & DecidedTask)[];
  };

/** Undefined for an unknown run. */
export async function readRunState(
  db: Database,
  runId: string,
  resultsOf: readonly string[],
): Promise<RunState | undefined> {
  const wanted = JSON.stringify(resultsOf);
  const [row] = await guarded(
    db.execute<StateRow>(sql`
      select ${INPUT_COLUMNS}, r.version_used, r.decisions, r.context_snapshot, r.rerun_of, r.rerun_from, r.finished_at is not null as is_over,
        to_char(r.fired_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as fired_at,
        (select coalesce(sum(s.count), 0)::integer from ${dueSkips} s
          where s.activity_id = r.activity_id and s.into_run = r.run_id) as compressed,
        (select coalesce(json_agg(json_build_object('task_id', t.task_id, 'key', t.key, 'instance', t.instance,
            'status', t.status, 'attempts', t.attempts, 'policy', t.policy,
            'result', case when w.key is not null then t.result end, 'error', case when w.key is not null then t.error end)
            order by t.key, t.instance), '[]')
          from ${tasks} t left join (select json_array_elements_text(${wanted}::json) as key) w on w.key = t.key
          where t.run_id = r.run_id) as tasks
      from ${runs} r ${INPUT_EVENT} where r.run_id = ${runId}`),
  );
  if (row === undefined) return undefined;
  const {
    fired_at,
    decisions,
    context_snapshot,
    rerun_of,
    rerun_from,
    version_used: version,
    trace_id,
    compressed,
  } = row;
  const values = valuesOfRun(toTaskInput(row), { fired_at, version, rerun_of, trace_id, compressed });
  const isTakingOver = rerun_from === "failed" && rerun_of !== null && decisions === null;
  return {
    fired_at: new Date(fired_at),
    isOver: row.is_over,
    decisions: decisions ?? undefined,
    tasks: row.tasks,
    context: context_snapshot ?? undefined,
    values: { ...values, ...(context_snapshot !== null && { context: context_snapshot }) },
    taken: isTakingOver ? await readTaken(db, rerun_of) : [],
  };
}

async function readTaken(db: Database, runId: string): Promise<TakenTask[]> {
  const { task_id, key, instance, params, result } = tasks;
  const query = db.select({ task_id, key, instance, params, result }).from(tasks);
  return guarded(query.where(and(eq(tasks.run_id, runId), eq(tasks.status, "succeeded"))));
}
