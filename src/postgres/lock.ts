/** Work that one process at a time does, whichever: held by a session's advisory lock, which ends with the session. */
import { guarded, type Postgres } from "./client.ts";

/** Keys of pg_try_advisory_lock; migrate.ts has one of its own. */
export const LOCKS = { schedules: 7_218_460_126, finisher: 7_218_460_127, retention: 7_218_460_128 } as const;

/** Runs `body` when no other process holds the lock; answers whether it ran. */
export async function holdingLock({ sql }: Postgres, lock: number, body: () => Promise<void>): Promise<boolean> {
  const connection = await guarded(sql.reserve());
  try {
    const [row] = await guarded(connection`select pg_try_advisory_lock(${lock}) as held`);
    if (!row?.held) return false;
    try {
      await body();
    } finally {
      await guarded(connection`select pg_advisory_unlock(${lock})`);
    }
    return true;
  } finally {
    connection.release();
  }
}
