/**
 * Millions of rows in each table that grows, made by Postgres itself. Their times are spread evenly over the last
 * `DAYS`, and their values unevenly: most rows share a value, some have a rare one, and the rare ones are the oldest,
 * where a list that walks from the newest finds them last.
 */
import { sql } from "drizzle-orm";
import type { Database } from "../../src/postgres/client.ts";

export const DAYS = 100;
/** Rows that have a rare value, at the old end. */
const RARE = 20;

/**
 * Half of all runs are of the first activity; the second has a tenth, and none of them ever failed. Nor did a manual run
 * fail, nor was an event of the common type unmatched.
 */
export const ACTIVITY = {
  common: "00000000-0000-7000-8000-000000000000",
  unfailing: "00000000-0000-7000-8000-000000000001",
  rare: "00000000-0000-7000-8000-00000000ffff",
} as const;

/** The id of row `n` in `series`, and when it was made: the greater, the newer. */
const idOf = (series: string) => sql.raw(`scale_id('${series}', n, at(n))`);
const rare = sql.raw(`n <= ${RARE}`);

/** Fills every table with `rows` rows, and has Postgres look at them. */
export async function fillTables(db: Database, rows: number, report: (table: string) => void): Promise<void> {
  const stepMs = (DAYS * 86_400_000) / rows;
  const firstMs = Date.now() - DAYS * 86_400_000 - 1000;
  await db.execute(
    sql.raw(`
    create function at(n bigint) returns timestamptz language sql immutable
      return to_timestamp((${firstMs} + n * ${stepMs}) / 1000.0)`),
  );
  await db.execute(sql`
    create function scale_id(series text, n bigint, made timestamptz) returns uuid language sql immutable return
      (lpad(to_hex(floor(extract(epoch from made) * 1000)::bigint), 12, '0') || '7' ||
        substr(md5(series || n), 1, 3) || '8' || substr(md5(series || n), 4, 15))::uuid`);
  await db.execute(
    sql.raw(`
    create function activity(n bigint) returns uuid language sql immutable return case
      when n <= ${RARE} then '${ACTIVITY.rare}'::uuid
      when n % 10 < 5 then '${ACTIVITY.common}'::uuid
      when n % 10 = 5 then '${ACTIVITY.unfailing}'::uuid
      else ('00000000-0000-7000-8000-' || lpad(to_hex(2 + n / 10 % 200), 12, '0'))::uuid end`),
  );
  for (const [table, columns, values] of tables()) {
    await db.execute(sql`insert into ${sql.raw(`actcore.${table} (${columns})`)}
      select ${values} from generate_series(1, ${sql.raw(String(rows))}::bigint) as n`);
    report(table);
  }
  await db.execute(sql`vacuum analyze`);
}

function tables() {
  const body = sql`json_build_object('name', 'd' || n, 'enabled', n % 10 > 0, 'trigger_type', 'event', 'trigger_config',
    json_build_object('trigger_type', 'event', 'event_type', 'type-' || n), 'context_sources', '[]'::json,
    'task_templates', '[]'::json, 'dedupe_key_strategy', 'event_id')`;
  const status = sql`case when ${rare} then 'cancelled' when n % 10 <> 5 and n % 33 = 0 and n % 1000 <> 1 then 'failed' else 'succeeded' end`;
  const definitionId = sql`scale_id('d', n, at(n))`;
  return [
    [
      "definitions",
      "id, name, enabled, trigger_type, body, version, source",
      sql`${definitionId}, 'd' || n, n % 100000 <> 7, case when n % 100000 = 8 then 'cron' else 'event' end, ${body}, 1,
        case when n % 100000 = 9 then 'file:rare.yaml' when n % 3 = 0 then 'file:common.yaml' else 'rest' end`,
    ],
    ["definition_versions", "definition_id, version, body", sql`${definitionId}, 1, ${body}`],
    ["event_keys", "event_id, row_id", sql`'e' || n, ${idOf("e")}`],
    [
      "events",
      "row_id, event_id, outcome, type, source, trace_id, payload, received_at",
      sql`${idOf("e")}, 'e' || n,
        case when ${rare} then 'dead_lettered' when n % 3 = 0 and n % 10 < 4 then 'unmatched' else 'dispatched' end,
        case when ${rare} then 'rare.type' when n % 3 = 0 then 'other.type' else 'common.type' end,
        'scale', md5(n::text), json_build_object('n', n, 'text', repeat('x', 100)), at(n)`,
    ],
    [
      "event_outcomes",
      "row_id, activity_id, activity_name, outcome, run_id",
      sql`${idOf("e")}, activity(n), 'd', 'run', ${idOf("r")}`,
    ],
    [
      "occurrences",
      "activity_id, kind, key, run_id, event_id, claimed_by, version_used",
      sql`activity(n), 'event', 'e' || n, ${idOf("r")}, 'e' || n, md5(n::text), 1`,
    ],
    [
      "runs",
      `run_id, activity_id, activity_name, trigger, status, fired_at, finished_at, event_id, trace_id, workflow_id,
        version_used, context_snapshot, tasks_spawned`,
      sql`${idOf("r")}, activity(n), 'd',
        case when ${rare} then 'rerun' when n % 11 = 0 then 'cron' when n % 1000 = 1 then 'manual' else 'event' end,
        ${status}, at(n), at(n), 'e' || n, md5(n::text), 'activity-' || activity(n) || ':e' || n, 1, '{}', 1`,
    ],
    [
      "tasks",
      "task_id, run_id, activity_id, key, type, status, params, policy, attempts, created_at, finished_at",
      sql`${idOf("t")}, ${idOf("r")}, activity(n), 'a', 'log', ${status}, '{"message": "scale"}', '{}', 1, at(n), at(n)`,
    ],
    [
      "audit_log",
      "entry_id, at, actor, action, subject, before, after",
      sql`${idOf("a")}, at(n), case when ${rare} then 'key:rare' else 'key:common' end, 'update',
        'definition:' || scale_id('d', n % 1000, at(n % 1000)), '{}', '{}'`,
    ],
  ] as const;
}
