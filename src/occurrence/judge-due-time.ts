/**
 * Whether a due time is run that was not run when it was due. Pure.
 *
 * There are two doors. The engine starts it late, and its claim asks `judgeStart`. Or the engine does not start it at all,
 * and the reconciler asks `judgeUnrun`. Both go by the version that was in force when it was due (I3), and both give it up
 * for the same lateness. Why something skipped at one of them was skipped is decided nowhere else; of what `compress` does
 * with several due times, schedule/compressed-gap.ts says the rest.
 */
import type { Calendar } from "../calendar/calendar.ts";
import { type DueTime, timesToRun } from "../calendar/due-times.ts";
import { PUNCTUAL_MS, type SkipReason } from "../calendar/misfire.ts";
import { type Absence, type DueFacts, mayStillCome, SETTLE_AFTER_MS, type Segment, wasGoing } from "./due-facts.ts";

/**
 * Why a due time that the engine started is not run after all; undefined when it is run. `segments` are the versions since
 * then, because it may give way to a due time that only a later version has. What had no due times then is not judged.
 */
export function judgeStart(segments: readonly Segment[], due: Date, now: Date): SkipReason | undefined {
  const [{ calendar, enabled } = { calendar: undefined }] = segments;
  if (calendar === undefined) return undefined;
  if (!enabled) return "disabled";
  const { policy, jitterMs } = calendar.misfire;
  if (policy !== "compress") return findLateness(calendar, segments, due, now);
  if (now.getTime() - due.getTime() - jitterMs <= PUNCTUAL_MS) return undefined;
  return isFollowed(segments, due, new Date(now.getTime() - jitterMs)) ? "compressed" : undefined;
}

/**
 * Whether a due time, once its workflow claims it, is given up as `overlap` where any run of its activity goes: whatever started that
 * one, also by hand. Under the other policies it is run beside it: the engine holds it back for runs of the schedule only.
 */
export function givesWayToRuns(calendar: Calendar | undefined): boolean {
  return calendar?.misfire.policy === "skip";
}

/** What becomes of a due time without a run: why it is skipped, or whether to run it or to wait. `compress`: its gap decides. */
export function judgeUnrun(
  { at, skipped }: DueTime,
  calendar: Calendar,
  { segments, runs, enabled, seenPausedAt, absence }: DueFacts,
  now: Date,
): SkipReason | "run" | "wait" | "compress" {
  if (skipped) return skipped;
  if (!enabled) return "disabled";
  if (seenPausedAt && at <= seenPausedAt) return "paused";
  const { policy } = calendar.misfire;
  if (policy === "compress") return "compress";
  if (policy === "catchup")
    return findLateness(calendar, segments, at, now) ?? (mayStillCome(runs, at, now) ? "wait" : "run");
  const wasOpen = wasGoing(runs, at);
  // While every worker was away, an open run may not have been going: then the absence is why this one did not run.
  if (wasOpen && !isWithin(absence, at)) return "overlap";
  if (wasOpen && runs.some(({ finishedAt }) => finishedAt === undefined)) return "missed";
  return findLateness(calendar, segments, at, now) ?? "run";
}

/**
 * Why what was due at `at`, and has not begun at `now`, is given up under `skip` and `catchup`. Under `skip` it is later than
 * its grace, or gives way to a later one that is due already; it has as long as the engine has to start it before it gives way.
 */
export function findLateness(
  { misfire }: Calendar,
  segments: readonly Segment[],
  at: Date,
  now: Date,
): "missed" | "outside_catchup_window" | undefined {
  const { policy, graceMs, catchupWindowMs, jitterMs } = misfire;
  const lateMs = now.getTime() - at.getTime() - jitterMs;
  if (policy === "catchup") return lateMs > catchupWindowMs ? "outside_catchup_window" : undefined;
  if (lateMs > graceMs) return "missed";
  const hadItsTime = lateMs >= SETTLE_AFTER_MS;
  return hadItsTime && isFollowed(segments, at, new Date(now.getTime() - jitterMs)) ? "missed" : undefined;
}

/** Whether another due time of `at < … <= until` is to run, by the version in force then. The last version stays in force. */
export function isFollowed(segments: readonly Segment[], at: Date, until: Date): boolean {
  return segments.some((segment, index) => {
    const { calendar, enabled } = segment;
    if (calendar === undefined || !enabled) return false;
    const from = segment.from > at ? segment.from : at;
    const isLast = index === segments.length - 1;
    return !timesToRun(calendar, from, isLast || until < segment.until ? until : segment.until).next().done;
  });
}

function isWithin(absence: Absence | undefined, at: Date): boolean {
  return absence !== undefined && absence.from < at && at <= absence.until;
}
