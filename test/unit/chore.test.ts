/** What becomes of a chore's rounds: when the next one is, and what is said of those that fail. */
import { expect, test } from "bun:test";
import { type Chore, type ChoreDeps, runChore } from "../../src/kernel/chore.ts";
import type { Log } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";

const BACKOFF = { next: () => 7, reset: () => {} };

/** Runs a chore whose rounds do these things one after the other, and that is stopped after the last one. */
async function runRounds(rounds: (() => number | undefined)[], rest: Partial<Chore> = {}, alone?: ChoreDeps["alone"]) {
  const stopping = new AbortController();
  const lines: unknown[][] = [];
  const failures: unknown[] = [];
  const log = { warn: (...line: unknown[]) => lines.push(line), info: (...line: unknown[]) => lines.push(line) };
  const metrics = createMetrics();
  const left = [...rounds];
  const chore: Chore = {
    name: "test",
    everyMs: 1,
    failed: "not done",
    recovered: "done again",
    onFailure: (error) => failures.push(error),
    async round() {
      const next = left.shift();
      try {
        return next?.();
      } finally {
        if (left.length === 0) setTimeout(() => stopping.abort(), 5);
      }
    },
    ...rest,
  };
  await runChore(chore, { metrics, log: log as unknown as Log, ...(alone && { alone }) }, stopping.signal);
  const { values } = await metrics.choreRounds.get();
  const counted = Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]));
  return { lines, failures, counted, left };
}

const succeed = () => undefined;
const fail = (message: string) => () => {
  throw new Error(message);
};

test("a failure is logged once for each cause in a row, with when it is tried again, and its end is logged", async () => {
  const rounds = [fail("a"), fail("a"), fail("b"), succeed, fail("b"), () => 60_000];
  const { lines, failures, counted } = await runRounds(rounds, { backoff: BACKOFF });
  expect(lines).toEqual([
    [{ reason: "a", retry_in_ms: 7 }, "not done"],
    [{ reason: "b", retry_in_ms: 7 }, "not done"],
    ["done again"],
    [{ reason: "b", retry_in_ms: 7 }, "not done"],
    ["done again"],
  ]);
  expect(failures).toHaveLength(4);
  expect(counted).toEqual({ failed: 4, done: 2 });
});

test("a chore without an interval has one round, whether that succeeds or not", async () => {
  const once = { everyMs: undefined } as unknown as Partial<Chore>;
  expect((await runRounds([succeed, succeed], once)).left).toHaveLength(1);
  const { left, lines } = await runRounds([fail("a"), succeed], once);
  expect(left).toHaveLength(1);
  expect(lines).toEqual([[{ reason: "a" }, "not done"]]);
});

test("a round waits for its time, unless the chore is woken or the round before wanted it sooner", async () => {
  let wake = () => {};
  let stopped = false;
  const listen = async (listener: () => void) => {
    wake = listener;
    return async () => {
      stopped = true;
    };
  };
  const wakeSoon = () => {
    setTimeout(wake, 1);
    return undefined;
  };
  const wakeDuringRound = () => {
    wake();
    return undefined;
  };
  const { left } = await runRounds([wakeSoon, wakeDuringRound, () => 1, () => 60_000], { everyMs: 60_000, listen });
  expect(left).toHaveLength(0);
  expect(stopped).toBe(true);
});

test("a listener that cannot be set up is a failed round, and is set up by a later one", async () => {
  let tries = 0;
  const listen = async () => {
    if (++tries < 3) throw new Error("no listener");
    return async () => {};
  };
  const { counted } = await runRounds([succeed], { listen, everyMs: 1 });
  expect(counted).toMatchObject({ failed: 2 });
  expect(tries).toBe(3);
});

test("a round that another process is at is counted as elsewhere, and tried again after its own wait", async () => {
  let tries = 0;
  const alone = async (body: () => Promise<void>) => {
    if (++tries < 3) return false;
    await body();
    return true;
  };
  const rest = { everyMs: 60_000, elsewhereMs: 1 };
  expect((await runRounds([() => 60_000], rest, alone)).counted).toEqual({ elsewhere: 2, done: 1 });
});

test("a chore that is stopped before its first round has none, and what fails for the stop is not logged", async () => {
  const stopped = { name: "test", failed: "not done", firstAfterMs: 0, round: fail("never") } as unknown as Chore;
  const deps = { metrics: createMetrics(), log: {} as Log };
  await runChore(stopped, deps, AbortSignal.abort());

  const stopping = new AbortController();
  const chore: Chore = {
    name: "test",
    failed: "not done",
    async round() {
      stopping.abort();
      throw new Error("stopped");
    },
  };
  await runChore(chore, deps, stopping.signal);
  expect((await deps.metrics.choreRounds.get()).values).toEqual([]);
});
