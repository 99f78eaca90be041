/**
 * Which of the runs that wait begin: what `rate_limit` and `max_concurrent_runs` of an activity make of one line, which is its
 * runs of one key. Pure.
 *
 * Runs of a line begin in the order in which they came. What is counted comes from the ledger each time: the runs that go, and
 * those that were let in within the last `per`. So nothing has to be given back, and nothing can be lost on the way.
 */
import { formatDuration } from "../calendar/duration.ts";
import type { Flow } from "../definition/flow.ts";

/** How many of the runs that hold up others are named. */
export const HOLDERS_SHOWN = 5;

/** A line as the ledger has it. */
export interface LineFacts {
  /** How many runs go; not more than `max_concurrent_runs` are counted. */
  going: number;
  /** Some of them. */
  holders: readonly string[];
  /** How many runs were let in within the last `per`, not more than `rate_limit` are counted, and the oldest of all these. */
  recent: number;
  oldest: Date | undefined;
  /** The runs that wait, in the order in which they came. */
  queued: readonly string[];
}

/** Why a run is not let in, now or ever. */
export const GATE_REASONS = ["rate_limit", "max_concurrent_runs"] as const;
export type GateReason = (typeof GATE_REASONS)[number];

/** What the first run of a line waits for, and so all of them. */
export type WaitsFor = { kind: "max_concurrent_runs"; holders: string[] } | { kind: "rate_limit"; until: Date };

export interface GateVerdict {
  run: string[];
  skip: { run_id: string; reason: GateReason; detail: string }[];
  /** Undefined where no run is left to wait. */
  waitsFor?: WaitsFor;
}

export function judgeLine({ rateLimit: rate, maxConcurrent: most }: Flow, facts: LineFacts, now: Date): GateVerdict {
  const holders = [...facts.holders];
  let { going, recent, oldest = now } = facts;
  const verdict: GateVerdict = { run: [], skip: [] };
  for (const run_id of facts.queued) {
    const isFast = rate !== undefined && recent >= rate.count;
    const isFull = most !== undefined && going >= most.count;
    if (isFast && rate.onExcess === "drop")
      verdict.skip.push({ run_id, reason: "rate_limit", detail: describeRate(rate.count, rate.perMs) });
    else if (isFull && most.onExcess === "skip")
      verdict.skip.push({ run_id, reason: "max_concurrent_runs", detail: describeHolders(most.count, holders) });
    else if (isFull) return { ...verdict, waitsFor: { kind: "max_concurrent_runs", holders } };
    else if (isFast)
      return { ...verdict, waitsFor: { kind: "rate_limit", until: new Date(oldest.getTime() + rate.perMs) } };
    else {
      verdict.run.push(run_id);
      if (holders.length < HOLDERS_SHOWN) holders.push(run_id);
      if (recent === 0) oldest = now;
      going++;
      recent++;
    }
  }
  return verdict;
}

function describeRate(count: number, perMs: number): string {
  return `rate_limit lets ${runs(count)} begin in ${formatDuration(perMs)}, and so many have begun`;
}

function describeHolders(count: number, holders: readonly string[]): string {
  const others = count > holders.length ? " and others" : "";
  return `max_concurrent_runs lets ${runs(count)} go at a time: ${holders.join(", ")}${others}`;
}

function runs(count: number): string {
  return count === 1 ? "1 run" : `${count} runs`;
}
