/** What of the ledger waits: three counts, each by a partial index. */
import { sql } from "drizzle-orm";
import type { BacklogReader } from "../../explain/backlog.ts";
import { type Database, guarded } from "../client.ts";
import { flowWindows } from "../flow-tables.ts";
import { events, runs } from "../ledger-tables.ts";

interface Row extends Record<string, unknown> {
  count: number;
  at: string | Date | null;
}

export function createBacklogReader(db: Database): BacklogReader {
  const count = async (statement: ReturnType<typeof sql>) => {
    const [row] = await guarded(db.execute<Row>(statement));
    return { count: row?.count ?? 0, at: row?.at ? new Date(row.at).toISOString() : null };
  };
  return {
    async read() {
      const [queued, windows, letters] = await Promise.all([
        count(sql`select count(*)::int as count, min(fired_at) as at from ${runs} where status = 'queued'`),
        count(sql`select count(*)::int as count, min(closes_at) as at from ${flowWindows} where closed_at is null`),
        count(sql`
          select count(*)::int as count, max(received_at) as at from ${events}
          where outcome = 'dead_lettered' and settled_at is null`),
      ]);
      return {
        queued_runs: { count: queued.count, since: queued.at },
        open_windows: { count: windows.count, next_closes_at: windows.at },
        dead_letters: { count: letters.count, last_at: letters.at },
      };
    },
  };
}
