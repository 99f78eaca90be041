/** Work that one process at a time does, whichever: held by a session's advisory lock, which ends with the session. */
import { sleep } from "../wait.ts";
import { guarded, type Postgres } from "./client.ts";

/** Keys of pg_try_advisory_lock; migrate.ts has one of its own. */
export const LOCKS = {
  schedules: 7_218_460_126,
  finisher: 7_218_460_127,
  retention: 7_218_460_128,
  sync: 7_218_460_129,
  dueTimes: 7_218_460_130,
} as const;

const ASK_AGAIN_MS = 50;

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

/**
 * Runs `body` as soon as the lock is free, and answers what it answered. Those who wait come in no certain order.
 * @throws the reason of `signal` when that aborts before `body` began
 */
export async function waitingForLock<T>(
  postgres: Postgres,
  lock: number,
  body: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  let answer: { value: T } | undefined;
  for (;;) {
    signal.throwIfAborted();
    // Asked again and again, not waited for in the server: those who wait would keep the pool's connections from the
    // body of the one that has the lock.
    const held = await holdingLock(postgres, lock, async () => {
      answer = { value: await body() };
    });
    if (held && answer) return answer.value;
    await sleep(ASK_AGAIN_MS * (0.5 + Math.random()), signal);
  }
}
