/** Ways to wait, each of which something can cut short: a signal, or time. */
import { setTimeout as wait } from "node:timers/promises";
import { describeError, RetryableError } from "./errors.ts";

/** Resolves after `ms` milliseconds, or at once (true) when `signal` aborts: the answer says whether it was cut short. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<boolean> {
  try {
    await wait(ms, undefined, signal && { signal });
    return false;
  } catch {
    return true;
  }
}

/**
 * As `promise`, or rejects with `late()` when it has not settled after `ms` milliseconds. What it does then goes on, and
 * nobody hears how it ends.
 */
export async function inTime<T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** As `promise`, or rejects with the reason of `signal` when that aborts first. What the promise does then goes on. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([promise, aborted(signal).then(() => Promise.reject(signal.reason))]);
}

export interface Backoff {
  /** The next wait in milliseconds: exponential, half of it random. */
  next(): number;
  reset(): void;
}

export function createBackoff(initialMs = 200, maxMs = 10_000): Backoff {
  let current = initialMs;
  return {
    next() {
      const wait = current / 2 + (Math.random() * current) / 2;
      current = Math.min(current * 2, maxMs);
      return wait;
    },
    reset() {
      current = initialMs;
    },
  };
}

/**
 * Calls `attempt` until it succeeds, waiting with backoff between tries. `onFailure` hears of each failure, and ends the tries
 * where it throws. Answers undefined when `signal` aborted first.
 */
export async function retryUntilDone<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  onFailure: (error: unknown, waitMs: number) => void,
  backoff: Backoff = createBackoff(),
): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await attempt();
    } catch (error) {
      const waitMs = backoff.next();
      onFailure(error, waitMs);
      await sleep(waitMs, signal);
    }
  }
  return undefined;
}

/**
 * For long work that must not hold up the rest of the process. Called often in its midst, it answers undefined while the work
 * goes on, and every `workMs` a promise to be awaited, which resolves when everything else that was due has had its turn.
 */
export function createPause(workMs = 10): () => Promise<void> | undefined {
  let until = performance.now() + workMs;
  return () => {
    if (performance.now() < until) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        until = performance.now() + workMs;
        resolve();
      });
    });
  };
}

/** What `body` answers; undefined where it may succeed later, which `onLater` is told of with the reason. */
export async function orLater<T>(body: () => Promise<T>, onLater: (reason: string) => void): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof RetryableError)) throw error;
    onLater(describeError(error));
    return undefined;
  }
}
