/**
 * Work that a process does again and again in the background. A round that fails is logged, counted and tried again: it
 * ends nothing, and no other chore waits for it.
 */
import { describeWithHint } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { type Backoff, sleep } from "./wait.ts";

export interface Chore {
  /** Its label in metrics. */
  name: string;
  /** Milliseconds from the end of a round to the next one. Absent: there is one round only. */
  everyMs?: number;
  /** Milliseconds before the first round; 0 by default. */
  firstAfterMs?: number;
  /** The share of each wait by which it may be shorter or longer, so that many processes do not come at once. */
  jitter?: number;
  /** The waits after failed rounds; `everyMs` by default. */
  backoff?: Backoff;
  /** Milliseconds until the next try when another process is at it; `everyMs` by default. */
  elsewhereMs?: number;
  /** Calls `wake` when the next round need not wait any longer; answers how to stop that. */
  listen?(wake: () => void): Promise<() => Promise<void>>;
  /** One round; may answer after how many milliseconds the next one is wanted. It ends soon after `signal` aborts. */
  round(signal: AbortSignal): Promise<number | undefined> | Promise<void>;
  /** What the log says of rounds that fail: once for each cause in a row, with when it is tried again. */
  failed: string;
  /** What the log says of the first round that succeeds again; nothing by default. */
  recovered?: string;
  /** Hears of every failure. */
  onFailure?(error: unknown): void;
}

export interface ChoreDeps {
  metrics: Pick<Metrics, "choreRounds">;
  log: Log;
  /** Does `body` when no other process is at it; answers whether it did. By default any number may be at it. */
  alone?(body: () => Promise<void>): Promise<boolean>;
}

/** Until `signal` aborts and the round that runs then has ended; never rejects. */
export async function runChore(
  chore: Chore,
  { metrics, log, alone = doIt }: ChoreDeps,
  signal: AbortSignal,
): Promise<void> {
  const { name, everyMs, jitter = 0, backoff } = chore;
  let woken = new AbortController();
  let stopListening: (() => Promise<void>) | undefined;
  let cause: string | undefined;

  /** Answers how many milliseconds to wait for the next one; undefined: there is none. */
  async function doRound(): Promise<number | undefined> {
    let wantedMs: number | undefined;
    try {
      stopListening ??= await chore.listen?.(() => woken.abort());
      const ran = await alone(async () => {
        wantedMs = (await chore.round(signal)) ?? everyMs;
      });
      metrics.choreRounds.inc({ chore: name, outcome: ran ? "done" : "elsewhere" });
      if (cause !== undefined && chore.recovered !== undefined) log.info(chore.recovered);
      cause = undefined;
      backoff?.reset();
      return ran ? wantedMs : (chore.elsewhereMs ?? everyMs);
    } catch (error) {
      if (signal.aborted) return undefined;
      metrics.choreRounds.inc({ chore: name, outcome: "failed" });
      chore.onFailure?.(error);
      const waitMs = backoff?.next() ?? everyMs;
      const reason = describeWithHint(error);
      if (reason !== cause)
        log.warn({ reason, ...(waitMs !== undefined && { retry_in_ms: Math.round(waitMs) }) }, chore.failed);
      cause = reason;
      return waitMs;
    }
  }

  let waitMs = chore.firstAfterMs ?? 0;
  while (!(await sleepUnlessWoken(waitMs * (1 - jitter + 2 * jitter * Math.random())))) {
    woken = new AbortController();
    const nextMs = await doRound();
    if (nextMs === undefined) break;
    waitMs = nextMs;
  }
  await stopListening?.().catch(() => {});

  /** Answers whether `signal` aborted. */
  async function sleepUnlessWoken(ms: number): Promise<boolean> {
    await sleep(ms, chore.listen === undefined ? signal : AbortSignal.any([signal, woken.signal]));
    return signal.aborted;
  }
}

async function doIt(body: () => Promise<void>): Promise<boolean> {
  await body();
  return true;
}
