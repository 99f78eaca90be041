/** What is known of an activity's due times when they are settled: what its versions said, and which runs there are. Pure. */

import type { Calendar } from "../calendar/calendar.ts";
import { type DueTime, dueTimes } from "../calendar/due-times.ts";

/** The engine is given this long to start what is due, and the workflow to claim it. */
export const SETTLE_AFTER_MS = 15_000;

/** A version of a definition while it was in force: after `from`, until `until`. */
export interface Segment {
  from: Date;
  until: Date;
  /** Undefined for a version that waited for events, and had no due times. */
  calendar: Calendar | undefined;
  enabled: boolean;
  /** Set where it says how many runs go at a time: then no due time is held back, or given up, because another run goes. */
  isCounted?: boolean;
}

/** A run for a due time, as the ledger knows it. */
export interface DueRun {
  run_id: string;
  due: Date;
  firedAt: Date;
  /** Undefined while it is open. */
  finishedAt?: Date;
  /** Whether the reconciler made it, and not the engine. */
  filled: boolean;
  /** Set for a run that was claimed too late, and did nothing. */
  skipped: boolean;
}

/** A time in which nobody accounted for due times: every worker was away, or an engine that they need for it. */
export interface Absence {
  from: Date;
  until: Date;
}

export interface DueFacts {
  /** In order, without holes between them; the first begins where the last settlement ended. */
  segments: readonly Segment[];
  /** In order: runs for due times within the segments, and those before that are open. */
  runs: readonly DueRun[];
  /** As the definition is now; deleted counts as disabled. What is disabled does not run what it missed. */
  enabled: boolean;
  /** When somebody's pause in the engine was last seen: what was due until then is not run later. */
  seenPausedAt?: Date | null;
  /** The last absence. */
  absence?: Absence | undefined;
}

/** Whether a due time, whose jitter was over at `now`, has no run. */
export function hasUnrun(segments: readonly Segment[], runs: readonly DueRun[], now: Date): boolean {
  const ran = new Set(runs.map(({ due }) => due.getTime()));
  return segments.some((segment) => {
    const jitterMs = segment.calendar?.misfire.jitterMs ?? 0;
    return dueTimesOf(segment, new Date(now.getTime() - jitterMs)).some(({ at }) => !ran.has(at.getTime()));
  });
}

/** Whether anything was due until `time`, without regard to jitter. */
export function wasDue(segments: readonly Segment[], time: Date): boolean {
  return segments.some((segment) => !dueTimesOf(segment, time).next().done);
}

/** The due times of a version until `time`, in order; none where it was disabled. */
function* dueTimesOf({ from, until, calendar, enabled }: Segment, time: Date): Generator<DueTime> {
  if (calendar !== undefined && enabled) yield* dueTimes(calendar, from, until < time ? until : time);
}

/**
 * Whether to wait before `due` is run in the engine's place. The engine holds due times back while a run is going, and then
 * starts them in order, one soon after the other: it may still start this one. Even where it will not, the policy says that
 * one run goes at a time.
 */
export function mayStillCome(runs: readonly DueRun[], due: Date, now: Date): boolean {
  if (runs.some(({ finishedAt }) => finishedAt === undefined)) return true;
  if (runs.some((run) => run.due > due)) return false;
  return runs.some(
    ({ finishedAt, filled }) => !filled && now.getTime() - (finishedAt as Date).getTime() < SETTLE_AFTER_MS,
  );
}

/** Whether a run of an earlier due time was going at `due`. */
export function wasGoing(runs: readonly DueRun[], due: Date): boolean {
  // Asked of every due time of a long gap, so the comparison that most runs fail comes first.
  return runs.some(
    (run) => (run.finishedAt === undefined || run.finishedAt > due) && run.due < due && run.firedAt <= due,
  );
}
