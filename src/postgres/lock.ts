/** Locks for work that any one process does at a time: advisory locks of a session, which end with the session. */
import { sleep } from "../kernel/wait.ts";
import { guarded, type Postgres, type Sql } from "./client.ts";

/** Keys of pg_try_advisory_lock; migrate.ts has one of its own. */
const KEYS = {
  schedules: 7_218_460_126,
  finisher: 7_218_460_127,
  retention: 7_218_460_128,
  sync: 7_218_460_129,
  dueTimes: 7_218_460_130,
  ownEvents: 7_218_460_131,
} as const;
export type Lock = keyof typeof KEYS;

const ASK_AGAIN_MS = 50;

/** Runs `body` when no other, in this process or another, holds one of the locks; answers whether it ran. */
export function holdingLocks(postgres: Postgres, locks: readonly Lock[], body: () => Promise<void>): Promise<boolean> {
  return withSession(postgres, async (session) => {
    for (const lock of locks) if (!(await tryLock(session, lock))) return false;
    await body();
    return true;
  });
}

/**
 * Runs `body` as soon as the lock is free, and answers what it answered. Those who wait come in no certain order.
 * @throws the reason of `signal` when that aborts before `body` began
 */
export function waitingForLock<T>(
  postgres: Postgres,
  lock: Lock,
  body: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return withSession(postgres, async (session) => {
    // The lock is asked for again and again, because the signal could not end a wait in the server.
    while (!(await tryLock(session, lock))) {
      signal.throwIfAborted();
      await sleep(ASK_AGAIN_MS * (0.5 + Math.random()), signal);
    }
    return body();
  });
}

async function tryLock(session: Sql, lock: Lock): Promise<boolean> {
  const [row] = await guarded(session`select pg_try_advisory_lock(${KEYS[lock]}) as held`);
  return row?.held === true;
}

/**
 * With a connection of its own, whose end is the end of the lock. One that is reserved from the pool comes back to it
 * broken when the server closes it meanwhile, and what it is given then never ends.
 */
async function withSession<T>(postgres: Postgres, body: (session: Sql) => Promise<T>): Promise<T> {
  const session = postgres.openSession();
  try {
    return await body(session);
  } finally {
    await session.end({ timeout: 1 });
  }
}
