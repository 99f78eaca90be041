/**
 * The misfire policies: what a trigger says of due times that do not run when they are due. Pure.
 *
 * Judged twice, each time by the version that was in force when it was due (I3): a start that comes late, at its claim
 * (late-start.ts), and a due time that the engine did not start at all, in the reconciler (settlement.ts).
 */
import { parseDuration } from "./duration.ts";
import type { ScheduleTrigger } from "./trigger.ts";

export const SKIP_REASONS = [
  "missed",
  "compressed",
  "overlap",
  "paused",
  "disabled",
  "outside_catchup_window",
  "dst_gap",
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** Consecutive due times that are skipped for one reason. */
export interface SkippedStretch {
  firstDue: Date;
  lastDue: Date;
  count: number;
  reason: SkipReason;
  /** The run that stands for a compressed stretch. */
  into?: string;
}

export interface Misfire {
  policy: "skip" | "catchup" | "compress";
  graceMs: number;
  catchupWindowMs: number;
  jitterMs: number;
}

/** Under `compress`, a run that comes later than this is late: it may stand for due times before it. */
export const PUNCTUAL_MS = 1_000;
const DEFAULT_GRACE_MS = 60_000;
const DEFAULT_CATCHUP_WINDOW_MS = 86_400_000;

/** What the trigger says, or its defaults. */
export function misfireOf(trigger: ScheduleTrigger): Misfire {
  // Once means once, however late.
  if (trigger.trigger_type === "scheduled")
    return { policy: "catchup", graceMs: DEFAULT_GRACE_MS, catchupWindowMs: Number.POSITIVE_INFINITY, jitterMs: 0 };
  const { misfire_policy = "skip", misfire_grace, catchup_window, jitter } = trigger;
  return {
    policy: misfire_policy,
    graceMs: misfire_grace === undefined ? DEFAULT_GRACE_MS : parseDuration(misfire_grace),
    catchupWindowMs: catchup_window === undefined ? DEFAULT_CATCHUP_WINDOW_MS : parseDuration(catchup_window),
    jitterMs: parseDuration(jitter ?? 0),
  };
}
