/** A start by the engine, judged at its claim: it may come too late. Pure. */

import type { Calendar } from "../calendar/calendar.ts";
import { PUNCTUAL_MS, type SkipReason } from "../calendar/misfire.ts";
import { isFollowed, isMissed, type Segment } from "./due-facts.ts";

/**
 * Why a due time of `calendar` is not run after all; undefined when it is run. `segments` are the versions since then: it may
 * give way to a later due time, also to one that only a later version has.
 */
export function judgeStart(
  calendar: Calendar,
  segments: readonly Segment[],
  due: Date,
  now: Date,
): SkipReason | undefined {
  const { policy, catchupWindowMs, jitterMs } = calendar.misfire;
  if (policy === "skip") return isMissed(segments, calendar.misfire, due, now) ? "missed" : undefined;
  const lateMs = now.getTime() - due.getTime() - jitterMs;
  if (policy === "catchup") return lateMs > catchupWindowMs ? "outside_catchup_window" : undefined;
  if (lateMs <= PUNCTUAL_MS) return undefined;
  return isFollowed(segments, due, new Date(now.getTime() - jitterMs)) ? "compressed" : undefined;
}
