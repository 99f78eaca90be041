/** The runs before a run, for `previous_run` sources. */
import { type SQL, sql } from "drizzle-orm";
import type { PreviousRun, PreviousRunReader } from "../../context/ports.ts";
import type { SourceReport } from "../../context/snapshot.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { showTasks } from "../../run/dependencies.ts";
import type { StandingTask } from "../../run/task-instance.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { runs } from "../ledger-tables.ts";
import { tasks } from "../task-tables.ts";
import { type CappedRow, cappedRows, readCapped } from "./capped-rows.ts";

type RunRow = Omit<PreviousRun, "context" | "tasks"> & {
  context: Record<string, unknown> | null;
  sources: SourceReport[] | null;
  tasks: StandingTask[];
};

/** Runs that were skipped did nothing, and are none of these. */
const STATUSES = { any: ["succeeded", "failed", "cancelled"], succeeded: ["succeeded"], failed: ["failed"] };

export function createPreviousRunReader(db: Database): PreviousRunReader {
  async function findActivity(name: string): Promise<string> {
    const [found] = await guarded(
      db.execute<{ id: string }>(sql`select id from ${definitions} where name = ${name} and deleted_at is null`),
    );
    if (found === undefined)
      throw new TerminalError("activity_unknown", `there is no activity ${JSON.stringify(name)}`);
    return found.id;
  }

  return {
    async read({ activity, before, last, outcome }) {
      const id = "id" in activity ? activity.id : await findActivity(activity.name);
      const found = await guarded(
        db.execute<CappedRow>(
          cappedRows(sql`
            select json_build_object('run_id', run_id, 'status', status, 'reason', reason, 'error', error,
              'scheduled_for', ${utc("scheduled_for")}, 'fired_at', ${utc("fired_at")},
              'finished_at', ${utc("finished_at")}, 'context', context_snapshot, 'sources', context_sources, 'tasks', (
                select coalesce(json_agg(json_build_object('key', key, 'instance', instance, 'status', status,
                  'result', result, 'error', error) order by key, instance), '[]')
                from ${tasks} t where t.run_id = r.run_id
              ))::text as json
            from (
              select * from ${runs} where activity_id = ${id} and run_id < ${before}
                and status in ${STATUSES[outcome]}
              order by run_id desc limit ${last}
            ) as r order by run_id desc`),
        ),
      );
      const rows = readCapped<RunRow>(found, "Read fewer runs, with last");
      return rows.map(({ context, sources, tasks, ...run }) => {
        return { ...run, context: withoutRuns(context ?? {}, sources ?? []), tasks: groupByKey(tasks) };
      });
    },
  };
}

function utc(column: string): SQL {
  return sql.raw(`to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);
}

/** Without what it read of runs before it: else each run would have all of its predecessors in it. */
function withoutRuns(context: Record<string, unknown>, sources: readonly SourceReport[]): Record<string, unknown> {
  const ofRuns = new Set(sources.filter(({ type }) => type === "previous_run").map(({ name }) => name));
  return Object.fromEntries(Object.entries(context).filter(([name]) => !ofRuns.has(name)));
}

/** As expressions read the tasks of a run: of a template with `for_each`, a list. */
function groupByKey(rows: readonly StandingTask[]): Record<string, unknown> {
  const byKey = Map.groupBy(rows, ({ key }) => key);
  return Object.fromEntries([...byKey].map(([key, ofKey]) => [key, showTasks(ofKey, ofKey[0]?.instance !== null)]));
}
