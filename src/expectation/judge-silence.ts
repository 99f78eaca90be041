/**
 * Whether an activity with `expect` is overdue: no run of it has succeeded for so long. Pure; expectation-watch.ts carries it out.
 *
 * Silence is counted from the last success, or from when counting began, whichever is later. An outage of actcore or of its engines
 * is no excuse in itself: who sleeps by it wants to hear that the backup is late. But what the outage held up gets its chance first, for
 * as long as the outage may have delayed a success. Whoever finds an activity overdue looks again in the moment of saying so.
 */
import type { Absence } from "../occurrence/due-facts.ts";

export interface SilenceFacts {
  success_within_ms: number;
  /** When the expectation was stored or changed, the activity enabled, or a pause in the engine seen. */
  counts_from: Date;
  /** Since when it is overdue; null: it is not. */
  overdue_since: Date | null;
  last_success: { run_id: string; at: Date } | null;
  /** When somebody's pause in the engine was last seen by the reconciler. */
  seen_paused_at: Date | null;
  /** Whether a run of it is open, or accepted and not begun. */
  is_going: boolean;
  /** Whether a due time until then is not accounted for yet: it may still be run. */
  owesDueTime(until: Date): boolean;
  /** The last time in which nobody accounted for due times; without `until` while it goes on. */
  absence: { from: Date; until?: Date } | undefined;
  /** What the engine says of the schedule; undefined: it was not asked, or there is none. */
  engine?: "running" | "paused" | "away" | undefined;
}

export type SilenceVerdict =
  | { is: "quiet"; look_at: Date }
  /** Overdue by the clock, and what an outage held up may still succeed. */
  | { is: "held"; look_at: Date }
  /** Nothing is expected of a schedule that somebody paused; counting begins anew. */
  | { is: "paused"; look_at: Date }
  | { is: "overdue"; since: Date; look_at: Date }
  | { is: "still_overdue"; look_at: Date }
  | { is: "recovered"; look_at: Date };

/** A success that was in time may be in the ledger so much later. */
const LOOK_AFTER_MS = 1_000;
/** How often it is looked again at what cannot be judged yet. */
const LOOK_AGAIN_MS = 5_000;
/** What is overdue is looked at when a run has succeeded; its own time is a precaution. */
const LOOK_AT_OVERDUE_MS = 3_600_000;
/** Within it what an outage held up begins: the engine starts it, or else the reconciler (SETTLE_AFTER_MS), or the router. */
export const CHANCE_MS = 30_000;
/** An engine that stays away so long after somebody began to look is no reason to wait any longer. */
export const AWAY_HOLD_MS = 300_000;

/** When it is overdue if no run succeeds until then. */
export function dueBy({
  success_within_ms,
  counts_from,
  last_success,
  seen_paused_at,
}: Pick<SilenceFacts, "success_within_ms" | "counts_from" | "last_success" | "seen_paused_at">): Date {
  const from = Math.max(counts_from.getTime(), last_success?.at.getTime() ?? 0, seen_paused_at?.getTime() ?? 0);
  return new Date(from + success_within_ms);
}

/** @param lookingSince since when somebody looks without a gap */
export function judgeSilence(facts: SilenceFacts, now: Date, lookingSince: Date): SilenceVerdict {
  const { overdue_since, last_success, success_within_ms, engine } = facts;
  const due = dueBy(facts);
  const lookAt = new Date(due.getTime() + LOOK_AFTER_MS);
  const overdue = { look_at: new Date(now.getTime() + LOOK_AT_OVERDUE_MS) };
  if (overdue_since !== null) {
    // It was counted until it was overdue: a success after the beginning of the count is a new one.
    const countedFrom = overdue_since.getTime() - success_within_ms;
    const isOver = last_success !== null && last_success.at.getTime() > countedFrom;
    return isOver ? { is: "recovered", look_at: lookAt } : { is: "still_overdue", ...overdue };
  }
  if (now < lookAt) return { is: "quiet", look_at: lookAt };
  if (engine === "paused") return { is: "paused", look_at: new Date(now.getTime() + success_within_ms) };
  const until = heldUntil(facts, due, now, lookingSince);
  if (now < until) return { is: "held", look_at: new Date(Math.min(until.getTime(), now.getTime() + LOOK_AGAIN_MS)) };
  return { is: "overdue", since: due, ...overdue };
}

/** Until when at most an activity whose time is over is not called overdue. */
function heldUntil({ absence, engine, ...facts }: SilenceFacts, due: Date, now: Date, lookingSince: Date): Date {
  if (engine === "away" || (absence !== undefined && absence.until === undefined))
    return new Date(Math.max(due.getTime(), lookingSince.getTime()) + AWAY_HOLD_MS);
  const countedFrom = due.getTime() - facts.success_within_ms;
  if (absence?.until === undefined || absence.until.getTime() <= countedFrom) return due;
  const { from, until } = absence as Absence;
  const returned = new Date(until.getTime() + CHANCE_MS);
  if (now < returned) return returned;
  if (!facts.is_going && !facts.owesDueTime(until)) return due;
  const lostMs = until.getTime() - Math.max(from.getTime(), countedFrom);
  return new Date(due.getTime() + lostMs + CHANCE_MS);
}
