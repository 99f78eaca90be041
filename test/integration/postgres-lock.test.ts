/** Work that one at a time does, and what becomes of the pool when the server ends a lock's session. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { holdingLocks, type Lock, waitingForLock } from "../../src/postgres/lock.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";

const LOCK: Lock = "finisher";
/** The number of that lock, as pg_locks shows it. */
const OBJID = 7_218_460_127 % 2 ** 32;
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const nothing = async () => {};

test("a lock that is held is not had by another, of the same process neither", async () => {
  let inner: boolean | undefined;
  const outer = await holdingLocks(database, [LOCK], async () => {
    inner = await holdingLocks(database, [LOCK], nothing);
  });
  expect([outer, inner]).toEqual([true, false]);
  expect(await holdingLocks(database, [LOCK], nothing)).toBe(true);
});

test("work that wants two locks runs only when both are free, and holds both", async () => {
  const both: Lock[] = ["sync", "schedules"];
  const ran: boolean[] = [];
  for (const lock of both)
    await holdingLocks(database, [lock], async () => {
      ran.push(await holdingLocks(database, both, nothing));
    });
  await holdingLocks(database, both, async () => {
    for (const lock of both) ran.push(await holdingLocks(database, [lock], nothing));
  });
  expect(ran).toEqual([false, false, false, false]);
  expect(await holdingLocks(database, both, nothing)).toBe(true);
});

test("a lock is free again when its work fails", async () => {
  const failed = await holdingLocks(database, [LOCK], () => Promise.reject(new Error("broken"))).catch(
    (error) => error,
  );
  expect(failed).toMatchObject({ message: "broken" });
  expect(await holdingLocks(database, [LOCK], nothing)).toBe(true);
});

test("those who wait for a lock have it one after the other", async () => {
  let inside = 0;
  const most = await Promise.all(
    Array.from({ length: 5 }, () =>
      waitingForLock(
        database,
        LOCK,
        async () => {
          const now = ++inside;
          await database.sql`select pg_sleep(0.02)`;
          inside--;
          return now;
        },
        new AbortController().signal,
      ),
    ),
  );
  expect(most).toEqual([1, 1, 1, 1, 1]);
});

test("who waits for a lock can be told to stop", async () => {
  const stopped = new AbortController();
  await holdingLocks(database, [LOCK], async () => {
    const waiting = waitingForLock(database, LOCK, nothing, stopped.signal).catch((error) => error);
    stopped.abort(new Error("enough"));
    expect(await waiting).toMatchObject({ message: "enough" });
  });
});

test("a session that the server ends takes its lock along, and leaves the pool whole", async () => {
  for (let round = 0; round < 5; round++) {
    const queries = Array.from({ length: 20 }, () => database.sql`select pg_sleep(0.01)`);
    await holdingLocks(database, [LOCK], async () => {
      await database.sql`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = ${OBJID}
        and database = (select oid from pg_database where datname = current_database())`;
      expect(await holdingLocks(database, [LOCK], nothing)).toBe(true);
    });
    await Promise.all(queries);
  }
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => database.sql`select ${n}::int as n`));
  expect(answers.map(([row]) => row?.n)).toEqual(Array.from({ length: 200 }, (_, n) => n));
});
