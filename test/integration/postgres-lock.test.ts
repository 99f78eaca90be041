/** One process at a time. Each pool here stands for a process. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { openPostgres, type Postgres } from "../../src/postgres/client.ts";
import { holdingLock, LOCKS, waitingForLock } from "../../src/postgres/lock.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";

let database: TestDatabase;
let other: Postgres;
const { signal } = new AbortController();
beforeAll(async () => {
  database = await createTestDatabase();
  other = openPostgres(database.url, "test-other", 2);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await other?.close();
  await database?.close();
});

test("those who wait for a lock come one after the other, more of them than there are connections", async () => {
  let inside = 0;
  let most = 0;
  const body = async (n: number) => {
    most = Math.max(most, ++inside);
    await other.sql`select 1`;
    inside--;
    return n;
  };
  const numbers = Array.from({ length: 12 }, (_, n) => n);
  const answers = numbers.map((n) =>
    waitingForLock(n % 2 === 0 ? other : database, LOCKS.schedules, () => body(n), signal),
  );
  expect(await Promise.all(answers)).toEqual(numbers);
  expect(most).toBe(1);
});

test("who fails leaves the lock to the next one", async () => {
  const failing = waitingForLock(other, LOCKS.schedules, () => Promise.reject(new Error("no")), signal);
  expect(
    await failing.then(
      () => "",
      (error: Error) => error.message,
    ),
  ).toBe("no");
  expect(await holdingLock(database, LOCKS.schedules, async () => {})).toBe(true);
});

test("a wait can be cut short, and then nothing runs", async () => {
  const waiting = new AbortController();
  let ran = false;
  await holdingLock(database, LOCKS.schedules, async () => {
    const answer = waitingForLock(other, LOCKS.schedules, async () => (ran = true), waiting.signal);
    waiting.abort(new Error("enough"));
    expect(
      await answer.then(
        () => "",
        (error: Error) => error.message,
      ),
    ).toBe("enough");
  });
  expect(ran).toBe(false);
});
