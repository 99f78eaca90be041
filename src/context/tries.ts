/** Tries of one thing that end within a time, whatever the thing does. */
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import { createBackoff, sleep } from "../kernel/wait.ts";

/** `attempts` are the tries that were begun. */
export type Ended<T> = { duration_ms: number; attempts: number } & ({ value: T } | { error: unknown });

/**
 * Calls `attempt` until it succeeds, fails in a way that stays, or has failed `retries` times more. It is given the milliseconds
 * that are left, and a signal that aborts when these are over or `outer` aborts; nobody waits for it then.
 * @throws the reason of `outer`; whatever else comes of the tries is answered
 */
export async function tryWithin<T>(
  { timeoutMs, retries }: { readonly timeoutMs: number; readonly retries: number },
  outer: AbortSignal,
  attempt: (leftMs: number, signal: AbortSignal) => Promise<T>,
): Promise<Ended<T>> {
  outer.throwIfAborted();
  const startedMs = performance.now();
  const elapsedMs = () => performance.now() - startedMs;
  const { signal, interrupted, release } = limit(timeoutMs, outer);
  const backoff = createBackoff(200, 2_000);
  let attempts = 0;
  const ended = <R extends object>(result: R) => ({ duration_ms: Math.round(elapsedMs()), attempts, ...result });
  try {
    for (;;) {
      attempts++;
      try {
        const trying = attempt(timeoutMs - elapsedMs(), signal);
        trying.catch(() => {}); // it may fail after it was interrupted
        return ended({ value: await Promise.race([trying, interrupted]) });
      } catch (error) {
        signal.throwIfAborted();
        const askedMs = error instanceof RetryableError ? (error.retryAfterMs ?? 0) : 0;
        const waitMs = Math.max(backoff.next(), askedMs);
        const isLast = error instanceof TerminalError || attempts > retries || waitMs >= timeoutMs - elapsedMs();
        if (isLast) return ended({ error });
        await sleep(waitMs, signal);
        signal.throwIfAborted();
      }
    }
  } catch (error) {
    outer.throwIfAborted();
    return ended({ error });
  } finally {
    release();
  }
}

/** A signal for the time, and for `outer`; `interrupted` rejects with its reason. */
function limit(timeoutMs: number, outer: AbortSignal) {
  const ending = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    ending.signal.addEventListener("abort", () => reject(ending.signal.reason), { once: true });
  });
  interrupted.catch(() => {}); // nobody may wait for it any more
  const message = `it did not answer within ${timeoutMs / 1000} s`;
  const timer = setTimeout(() => ending.abort(new TerminalError("source_timeout", message)), timeoutMs);
  const onAbort = () => ending.abort(outer.reason);
  outer.addEventListener("abort", onAbort, { once: true });
  return {
    signal: ending.signal,
    interrupted,
    release() {
      clearTimeout(timer);
      outer.removeEventListener("abort", onAbort);
    },
  };
}
