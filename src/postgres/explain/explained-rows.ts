/** Rows that the explanations of events and of due times both need: definitions in the course of time, and runs. */
import { and, desc, eq, getTableColumns, inArray, type SQL, sql } from "drizzle-orm";
import type { ActivityHistory, Version } from "../../explain/explained-activity.ts";
import type { ExplainedRun } from "../../explain/explained-run.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { dueKey } from "../../occurrence/occurrence.ts";
import { type Database, guarded } from "../client.ts";
import { definitions, definitionVersions } from "../definition-tables.ts";
import { occurrences, runs } from "../ledger-tables.ts";
import { withTimesAsText } from "../schema.ts";

/** So many versions before and after the time that is asked about are read, and the current one. */
const VERSIONS_AROUND = 20;
/** So many runs before a due time are looked at for one that was still going then. */
const RUNS_BEFORE = 20;
const REPEATS_SHOWN = 5;

type HistoryRow = Record<"activity_id" | "activity_name" | "created_at", string> &
  Record<"retired_at" | "deleted_at", string | null> & {
    versions: (Omit<Version, "written_at"> & { written_at: string })[];
  };

type GoingRow = ExplainedRun & Record<string, unknown>;

/** The definition and its versions around `at`; undefined where there is none of this id. */
export async function readHistory(db: Database, activityId: string, at: Date): Promise<ActivityHistory | undefined> {
  const v = definitionVersions;
  const then = sql`coalesce((select max(version) from ${v} where definition_id = d.id and created_at <= ${at.toISOString()}::timestamptz), 1)`;
  const [row] = await guarded(
    db.execute<HistoryRow>(sql`
      select d.id as activity_id, d.name as activity_name, d.created_at, d.retired_at, d.deleted_at, (
        select coalesce(json_agg(json_build_object('version', x.version, 'written_at', x.created_at, 'body', json_build_object(
          'name', x.body->'name', 'enabled', x.body->'enabled', 'trigger_config', x.body->'trigger_config',
          'flow', x.body->'flow', 'dedupe_key_strategy', x.body->'dedupe_key_strategy')) order by x.version), '[]')
        from ${v} x, (select ${then} as version) t
        where x.definition_id = d.id
          and (x.version between t.version - ${VERSIONS_AROUND} and t.version + ${VERSIONS_AROUND} or x.version = d.version)
          -- The last version of a deleted definition only says that it was deleted.
          and (d.deleted_at is null or x.version < d.version)) as versions
      from ${definitions} d where d.id = ${activityId}`),
  );
  if (row === undefined) return undefined;
  const { created_at, retired_at, deleted_at, versions, ...rest } = row;
  return {
    ...rest,
    created_at: new Date(created_at),
    retired_at: retired_at === null ? null : new Date(retired_at),
    deleted_at: deleted_at === null ? null : new Date(deleted_at),
    versions: versions.map(({ written_at, ...version }) => ({ ...version, written_at: new Date(written_at) })),
  };
}

const { run_id, trigger, status, reason, detail, error, scheduled_for, event_id } = getTableColumns(runs);
const { fired_at, finished_at, version_used, rerun_of } = getTableColumns(runs);
export const explainedRun = {
  ...{ run_id, trigger, status, reason, detail, error, scheduled_for, event_id },
  ...{ fired_at, finished_at, version_used, rerun_of },
};

/** Those that are still kept, by their ids. */
export async function readRuns(db: Database, ids: readonly string[]): Promise<Map<string, ExplainedRun>> {
  if (ids.length === 0) return new Map();
  const rows = await guarded(
    db
      .select(explainedRun)
      .from(runs)
      .where(inArray(run_id, [...ids])),
  );
  return new Map(rows.map((row) => [row.run_id, withTimesAsText(row)]));
}

/** Those that repeat one of the runs, and replays of the event by the activity; the newest first. */
export async function readRepeats(
  db: Database,
  of: readonly string[],
  replayed?: { activity_id: string; event_id: string },
): Promise<ExplainedRun[]> {
  const isReplay =
    replayed && and(eq(event_id, replayed.event_id), eq(trigger, "replay"), eq(runs.activity_id, replayed.activity_id));
  const query = (wanted: SQL | undefined) =>
    guarded(db.select(explainedRun).from(runs).where(wanted).orderBy(desc(run_id)).limit(REPEATS_SHOWN));
  const [repeats, replays] = await Promise.all([
    of.length === 0 ? [] : query(inArray(rerun_of, [...of])),
    isReplay === undefined ? [] : query(isReplay),
  ]);
  const byId = new Map([...repeats, ...replays].map((run) => [run.run_id, withTimesAsText(run)]));
  return [...byId.values()].sort((a, b) => (a.run_id < b.run_id ? 1 : -1)).slice(0, REPEATS_SHOWN);
}

/** A run of the activity that was going at `due`, besides `except`; one of a due time, where there is one. */
export async function findGoing(
  db: Database,
  activityId: string,
  due: Date,
  except?: string,
): Promise<ExplainedRun | undefined> {
  const at = due.toISOString();
  const columns = sql.join(Object.values(explainedRun), sql`, `);
  const ofActivity = sql`activity_id = ${activityId}::uuid`;
  // Each part by its own index: runs of due times before, runs that began before, and open ones.
  const rows = await guarded(
    db.execute<GoingRow>(sql`
      select ${columns} from ${runs} where run_id in (
        (select run_id from ${occurrences} where ${ofActivity} and kind = 'due' and key < ${dueKey(due)}
          order by key desc limit ${RUNS_BEFORE})
        union
        (select run_id from ${runs} where ${ofActivity} and run_id < ${firstUuidAt(due)}::uuid
          order by run_id desc limit ${RUNS_BEFORE})
        union
        (select run_id from ${runs} where ${ofActivity} and finished_at is null limit ${RUNS_BEFORE}))
        and fired_at <= ${at}::timestamptz and (finished_at is null or finished_at > ${at}::timestamptz) and status <> 'queued'
        ${except === undefined ? sql`` : sql`and run_id <> ${except}`}
      order by scheduled_for is null, fired_at limit 1`),
  );
  const [row] = rows;
  return row && { ...row, ...timesOf(row) };
}

/** Times of a raw statement are text, in Postgres' form. */
function timesOf({ scheduled_for, fired_at, finished_at }: GoingRow) {
  const toText = (time: string) => new Date(time).toISOString();
  return {
    scheduled_for: scheduled_for && toText(scheduled_for),
    fired_at: toText(fired_at),
    finished_at: finished_at && toText(finished_at),
  };
}
