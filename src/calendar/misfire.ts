/**
 * The misfire policies: what a trigger says of due times that do not run when they are due. Pure.
 *
 * occurrence/judge-due-time.ts judges by them.
 */
export const SKIP_REASONS = [
  "missed",
  "compressed",
  "overlap",
  "paused",
  "disabled",
  "outside_catchup_window",
  "dst_gap",
  "excepted",
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** Consecutive due times that are skipped for one reason, as it is stored. */
export interface SkippedStretch {
  first_due: Date;
  last_due: Date;
  count: number;
  reason: SkipReason;
  /** The run that stands for a compressed stretch. */
  into_run?: string | null;
}

export interface Misfire {
  policy: "skip" | "catchup" | "compress";
  /** How late a due time may still be run under `skip`. */
  graceMs: number;
  /** The same under `catchup`. */
  catchupWindowMs: number;
  /** A start is delayed by a random time up to this. */
  jitterMs: number;
}

/** Under `compress`, a run that comes later than this is late: it may stand for due times before it. */
export const PUNCTUAL_MS = 1_000;
