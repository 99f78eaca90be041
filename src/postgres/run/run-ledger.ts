/** Runs in Postgres: decide once, close once. */
import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import { TerminalError } from "../../kernel/errors.ts";
import type { ClosedRun, NewRound, RunLedger } from "../../run/ledger.ts";
import { type Database, guarded, storableText } from "../client.ts";
import { definitionVersions } from "../definition-tables.ts";
import { runNews, WAKE_PUBLISHER } from "../event/run-news.ts";
import { TELL_IF_COUNTED } from "../flow/gate-news.ts";
import { occurrences, runs } from "../ledger-tables.ts";
import { tasks } from "../task-tables.ts";
import { closeStatement, failStatement } from "./close-statement.ts";
import { readRunState } from "./run-state.ts";
import { INPUT_COLUMNS, INPUT_EVENT, type InputRow, toTaskInput } from "./task-input.ts";

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

    async readState(runId, reads) {
      const state = await readRunState(db, runId, reads);
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
        const { task_id, policy, status } = tasks;
        const attempts = sql<number>`${tasks.attempts} - ${tasks.tries_forgiven}`;
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
            update ${runs} r set status = 'skipped', reason = 'condition', detail = ${storableText(detail)},
              decisions = ${decisions}::json, tasks_spawned = 0, finished_at = now()
            where run_id = ${runId} and finished_at is null and decisions is null
            returning r.*, ${TELL_IF_COUNTED} as counted
          )${runNews(sql`closed`)}
          select status, reason, activity_id, activity_name, true as closed_now, ${WAKE_PUBLISHER} from closed
          union all
          select status, reason, activity_id, activity_name, false, null from ${runs}
          where run_id = ${runId} and not exists (select from closed)`),
      );
      return toClosed(runId, row);
    },

    async recordShadow(runId, round) {
      const [row] = await guarded(db.execute<ClosedRow>(roundStatement(runId, round, new Set(), { isShadow: true })));
      return toClosed(runId, row);
    },
  };
}

/**
 * With `shadow` it closes the run too. Parameters, results and decisions travel as text within the rows: postgres/event/event-ledger.ts says why. Empty for an unknown
 * run.
 */
function roundStatement(
  runId: string,
  { round, templates, instances, skip = [] }: NewRound,
  begin: ReadonlySet<string>,
  { isShadow = false } = {},
) {
  const rows = instances.map(({ params, sources, taken, ...instance }) => ({
    ...instance,
    params: JSON.stringify(params),
    sources: sources && JSON.stringify(sources),
    attempts: begin.has(instance.task_id) ? 1 : 0,
    ...(taken && { taken_from: taken.task_id, result: JSON.stringify(taken.result) }),
  }));
  const decisions = JSON.stringify({ round, templates });
  const close = sql`, status = 'skipped', reason = 'shadow', detail = ${SHADOW}, finished_at = now()`;
  const isNext = round === 1 ? sql`tasks_spawned is null` : sql`(decisions->>'round')::integer = ${round - 1}`;
  return sql`
    with decided as (
      update ${runs} r set tasks_spawned = coalesce(tasks_spawned, 0) + ${instances.length}, decisions = ${decisions}::json,
        context_snapshot = coalesce(context_snapshot, '{}') ${isShadow ? close : sql``}
      where run_id = ${runId} and ${isNext} and finished_at is null returning *
    ), recorded as (
      insert into ${tasks} (task_id, idempotency_key, run_id, activity_id, key, instance, type, status, attempts, started_at,
        finished_at, params, sources, policy, result, taken_from)
      select t.task_id, t.idempotency_key, ${runId}::uuid, d.activity_id, t.key, t.instance, t.type,
        case when ${isShadow} then 'skipped' when t.taken_from is not null then 'succeeded' when t.attempts = 1 then 'running' else 'pending' end,
        t.attempts, case t.attempts when 1 then now() end, case when ${isShadow} or t.taken_from is not null then now() end,
        t.params::json, t.sources::json, t.policy, t.result::json, t.taken_from
      from decided d, json_to_recordset(${JSON.stringify(rows)}::json)
        as t(task_id uuid, idempotency_key uuid, key text, instance int, type text, attempts int, params text, sources text,
          policy json, result text, taken_from uuid)
      on conflict do nothing
    )${skip.length > 0 ? skipTasks(runId, skip) : sql``}${isShadow ? runNews(sql`decided`) : sql``}
    ${isShadow ? CLOSED_BY_ROUND : sql`select exists (select from decided) as is_new, ${INPUT_COLUMNS}`}
    from ${runs} r ${isShadow ? sql`, (select count(*) as n from decided) d` : INPUT_EVENT} where r.run_id = ${runId}`;
}

const SHADOW = "its activity is a shadow (shadow: true): the run is decided and recorded, and nothing is done";
/** The update of the same statement is not seen yet: what it wrote is said here. */
const CLOSED_BY_ROUND = sql`
  select case when d.n = 1 then 'skipped' else r.status end as status, case when d.n = 1 then 'shadow' else r.reason end as reason,
    r.activity_id, r.activity_name, d.n = 1 as closed_now, ${WAKE_PUBLISHER}`;

function skipTasks(runId: string, keys: readonly string[]): SQL {
  return sql`, skipped as (
      update ${tasks} t set status = 'skipped', finished_at = now() from decided
      where t.run_id = ${runId} and t.finished_at is null and t.attempts = 0
        and t.key in (select json_array_elements_text(${JSON.stringify(keys)}::json))
    )`;
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
