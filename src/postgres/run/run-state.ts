/**
 * How a run stands, and what its expressions may read: one statement, a second one where it has tasks, another one for a rerun that
 * takes tasks over, and another one where the events of a window are read.
 */
import { and, eq, sql } from "drizzle-orm";
import { TerminalError } from "../../kernel/errors.ts";
import type { DecidedTask, RunState, StateReads } from "../../run/ledger.ts";
import type { StandingTask, TakenTask } from "../../run/task-instance.ts";
import { valuesOfRun } from "../../run/values.ts";
import { type Database, guarded } from "../client.ts";
import { flowMembers } from "../flow-tables.ts";
import { dueSkips, events, runs } from "../ledger-tables.ts";
import { tasks } from "../task-tables.ts";
import { INPUT_COLUMNS, INPUT_EVENT, type InputRow, toTaskInput } from "./task-input.ts";

type StateRow = InputRow &
  Pick<
    typeof runs.$inferSelect,
    "version_used" | "decisions" | "rerun_of" | "rerun_from" | "tasks_spawned" | "window_id"
  > & {
    fired_at: string;
    reopened_at: string | null;
    context_snapshot: Record<string, unknown> | null;
    compressed: number;
    is_over: boolean;
  };

/** Of all results that the expressions of one round read: those of 1,000 http tasks, each as large as it may be, are 16 MB. */
const MAX_RESULTS_BYTES = 33_554_432;

/** Undefined for an unknown run. @throws TerminalError `results_too_large` */
export async function readRunState(db: Database, runId: string, reads: StateReads): Promise<RunState | undefined> {
  const [row] = await guarded(
    db.execute<StateRow>(sql`
      select ${INPUT_COLUMNS}, r.window_id, r.version_used, r.decisions, r.context_snapshot, r.rerun_of, r.rerun_from,
        r.tasks_spawned, r.reopened_at, r.finished_at is not null as is_over,
        to_char(r.fired_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as fired_at,
        (select coalesce(sum(s.count), 0)::integer from ${dueSkips} s
          where s.activity_id = r.activity_id and s.into_run = r.run_id) as compressed
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
    tasks_spawned,
  } = row;
  // A template that is decided reads no results any more.
  const waiting = decisions?.templates.filter(({ outcome }) => outcome === "waiting") ?? [];
  const resultsOf = [...new Set(waiting.flatMap(({ key }) => reads.results[key] ?? []))];
  const gathered = reads.events && row.window_id !== null ? await readGathered(db, row.window_id) : undefined;
  const values = valuesOfRun(toTaskInput(row), { fired_at, version, rerun_of, trace_id, compressed }, gathered);
  const isTakingOver = rerun_from === "failed" && rerun_of !== null && decisions === null;
  return {
    fired_at: new Date(fired_at),
    countsFrom: new Date(row.reopened_at ?? fired_at),
    isOver: row.is_over,
    decisions: decisions ?? undefined,
    isDecided: tasks_spawned !== null,
    tasks: tasks_spawned === null ? [] : await readStanding(db, runId, resultsOf),
    context: context_snapshot ?? undefined,
    values: { ...values, ...(context_snapshot !== null && { context: context_snapshot }) },
    taken: isTakingOver ? await readTaken(db, rerun_of) : [],
  };
}

/** A row each, so that large results are parsed one by one as they arrive. */
async function readStanding(
  db: Database,
  runId: string,
  resultsOf: readonly string[],
): Promise<(StandingTask & DecidedTask)[]> {
  const isRead = sql`key in (select json_array_elements_text(${JSON.stringify(resultsOf)}::json))`;
  if (resultsOf.length > 0) {
    const [size] = await guarded(
      db.execute<{ bytes: number }>(sql`
        select coalesce(sum(octet_length(result::text)), 0)::float8 as bytes from ${tasks} where run_id = ${runId} and ${isRead}`),
    );
    if (size !== undefined && size.bytes > MAX_RESULTS_BYTES)
      throw new TerminalError(
        "results_too_large",
        `the results of ${resultsOf.join(", ")} have ${size.bytes} bytes, and expressions read at most ${MAX_RESULTS_BYTES}`,
        { hint: "Let the receivers answer less, or have fewer items" },
      );
  }
  return guarded(
    db.execute<StandingTask & DecidedTask & Record<string, unknown>>(sql`
      select task_id, key, instance, status, attempts - tries_forgiven as attempts, attempts > 0 as has_begun, policy,
        case when ${isRead} then result end as result, case when ${isRead} then error end as error
      from ${tasks} where run_id = ${runId} order by key, instance`),
  );
}

/** The events of a window as expressions read them, in the order in which they were accepted. */
async function readGathered(db: Database, windowId: string): Promise<unknown[]> {
  const { event_id, type, source, occurred_at, subject, trace_id, payload, row_id } = events;
  const attributes = sql`coalesce(${events.attributes}, '{}'::json)`;
  const query = db
    .select({ event_id, type, source, occurred_at, subject, trace_id, attributes, payload })
    .from(flowMembers);
  const ofWindow = query.innerJoin(events, eq(row_id, flowMembers.row_id)).where(eq(flowMembers.window_id, windowId));
  return guarded(ofWindow.orderBy(flowMembers.position));
}

async function readTaken(db: Database, runId: string): Promise<TakenTask[]> {
  const { task_id, key, instance, params, result } = tasks;
  const query = db.select({ task_id, key, instance, params, result }).from(tasks);
  return guarded(query.where(and(eq(tasks.run_id, runId), eq(tasks.status, "succeeded"))));
}
