import { describe, expect, test } from "bun:test";
import { createBackoff, createPause, inTime, retryUntilDone, sleep } from "../../src/kernel/wait.ts";

describe("a sleep", () => {
  test("ends at once, and says so, when its signal aborts or has", async () => {
    const abort = new AbortController();
    const sleeping = sleep(60_000, abort.signal);
    abort.abort();
    expect(await sleeping).toBe(true);
    expect(await sleep(60_000, abort.signal)).toBe(true);
  });

  test("ends by itself", async () => {
    expect(await sleep(1, new AbortController().signal)).toBe(false);
  });
});

test("what has no end in time fails with its own error; what has ends as it would", async () => {
  const late = () => new Error("late");
  await expect(inTime(new Promise(() => {}), 1, late)).rejects.toThrow("late");
  expect(await inTime(Promise.resolve(5), 60_000, late)).toBe(5);
  await expect(inTime(Promise.reject(new Error("own")), 60_000, late)).rejects.toThrow("own");
});

test("backoff grows up to its bound, never waits less than half, and begins again after a reset", () => {
  const backoff = createBackoff(100, 400);
  for (const bound of [100, 200, 400, 400]) {
    const wait = backoff.next();
    expect(wait).toBeWithin(bound / 2, bound + 1);
  }
  backoff.reset();
  expect(backoff.next()).toBeLessThanOrEqual(100);
});

describe("a try that is repeated until it is done", () => {
  const backoff = { next: () => 0, reset: () => {} };

  test("answers its first success, and tells of each failure", async () => {
    const failures: string[] = [];
    let tries = 0;
    const attempt = async () => {
      if (++tries < 3) throw new Error(`try ${tries}`);
      return tries;
    };
    const onFailure = (error: unknown) => failures.push((error as Error).message);
    expect(await retryUntilDone(attempt, new AbortController().signal, onFailure, backoff)).toBe(3);
    expect(failures).toEqual(["try 1", "try 2"]);
  });

  test("answers nothing when its signal aborts first", async () => {
    const abort = new AbortController();
    const attempt = () => Promise.reject(new Error("no"));
    expect(await retryUntilDone(attempt, abort.signal, () => abort.abort(), backoff)).toBeUndefined();
  });
});

test("long work that pauses lets what is due in between have its turn, and else goes on without waiting", async () => {
  const pause = createPause(5);
  expect(pause()).toBeUndefined();
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  let pauses = 0;
  for (const endMs = performance.now() + 200; performance.now() < endMs; ) {
    const pausing = pause();
    if (pausing === undefined) continue;
    pauses++;
    await pausing;
  }
  clearInterval(timer);
  expect(pauses).toBeWithin(10, 41);
  expect(turns).toBeGreaterThanOrEqual(pauses / 2);
});
