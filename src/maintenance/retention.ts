/**
 * How long the rows of each table are kept, and how they go: oldest first, in small batches with pauses, so that the
 * intake of events never waits.
 */
import type { Chore } from "../kernel/chore.ts";
import type { Retention } from "../kernel/config.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { sleep } from "../kernel/wait.ts";

/** The setting by which each table's rows are kept, in the order in which they are removed. */
const KEPT_BY = {
  task_outputs: "runRetentionMs",
  human_tasks: "runRetentionMs",
  tasks: "runRetentionMs",
  runs: "runRetentionMs",
  due_skips: "runRetentionMs",
  flow_members: "runRetentionMs",
  flow_windows: "runRetentionMs",
  event_outcomes: "eventRetentionMs",
  events: "eventRetentionMs",
  own_events: "eventRetentionMs",
  occurrences: "keyRetentionMs",
  event_keys: "keyRetentionMs",
  dedupe_keys: "keyRetentionMs",
  audit_log: "auditRetentionMs",
} as const satisfies Record<string, keyof Retention>;
export type SweptTable = keyof typeof KEPT_BY;

/** postgres/maintenance/sweeper.ts is behind it. */
export interface Sweeper {
  /** Deletes at most `limit` rows that were made before and that nothing needs any more; answers how many. */
  remove(table: SweptTable, before: Date, limit: number): Promise<number>;
}

/** Rows of one batch; its statement takes some milliseconds. */
const BATCH = 1000;
const PAUSE_MS = 50;
const EVERY_MS = 3_600_000;
const FIRST_AFTER_MS = 60_000;

/** One process at a time. */
export function createRetentionChore(
  sweeper: Sweeper,
  retention: Retention,
  { metrics, log }: { metrics: Metrics; log: Log },
): Chore {
  return {
    name: "retention",
    everyMs: EVERY_MS,
    firstAfterMs: FIRST_AFTER_MS,
    failed: "retention interrupted",
    async round(signal) {
      const swept = await sweep(sweeper, retention, new Date(), signal);
      for (const [table, rows] of Object.entries(swept)) metrics.swept.inc({ table }, rows);
      if (Object.values(swept).some((rows) => rows > 0)) log.info({ swept }, "rows past their retention removed");
    },
  };
}

/** One pass over all tables; answers the rows removed by table. */
export async function sweep(
  sweeper: Sweeper,
  retention: Retention,
  now: Date,
  signal: AbortSignal,
  batch = BATCH,
): Promise<Partial<Record<SweptTable, number>>> {
  const swept: Partial<Record<SweptTable, number>> = {};
  for (const [table, kept] of Object.entries(KEPT_BY) as [SweptTable, keyof Retention][]) {
    const before = new Date(now.getTime() - retention[kept]);
    let removed: number;
    do {
      removed = await sweeper.remove(table, before, batch);
      swept[table] = (swept[table] ?? 0) + removed;
    } while (removed > 0 && !(await sleep(PAUSE_MS, signal)));
  }
  return swept;
}
