/**
 * What becomes of a due time that did not run when it was due. Pure.
 *
 *   judgeStart      at the claim: the engine started it, perhaps too late
 *   settleDueTimes  in the reconciler: the engine did not start it at all
 *
 * A due time of a version counts by what that version said (I3): a new policy or cadence applies from the change on.
 */
import { parseDuration } from "../../definition/duration.ts";
import type { ScheduleTrigger } from "../../definition/schema.ts";
import { dueTimes } from "./due-times.ts";

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

/** The engine is given this long to start what is due, and the workflow to claim it. */
const SETTLE_AFTER_MS = 15_000;
/** A run that came later than this after a gap came because of it: it stands for the gap. */
const LATE_AFTER_GAP_MS = 1_000;
const SOON_MS = 60_000;
/** Due times of a gap that is closed although it may go on: the engine may never start them. */
const LONG_GAP = 100;
const DEFAULT_GRACE_MS = 60_000;
const DEFAULT_CATCHUP_WINDOW_MS = 86_400_000;

export interface Misfire {
  policy: "skip" | "catchup" | "compress";
  graceMs: number;
  catchupWindowMs: number;
  jitterMs: number;
}

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

/** Why a due time that the engine started is not run after all; undefined: it is run. */
export function judgeStart(trigger: ScheduleTrigger, due: Date, now: Date): SkipReason | undefined {
  const { policy, graceMs, catchupWindowMs, jitterMs } = misfireOf(trigger);
  const lateMs = now.getTime() - due.getTime() - jitterMs;
  if (policy === "skip") return lateMs > graceMs ? "missed" : undefined;
  if (policy === "catchup") return lateMs > catchupWindowMs ? "outside_catchup_window" : undefined;
  if (lateMs <= LATE_AFTER_GAP_MS) return undefined;
  const later = dueTimes(trigger, due, new Date(now.getTime() - jitterMs)).next().value;
  return later === undefined ? undefined : "compressed";
}

/** A version of a definition while it was in force: after `from`, until `until`. */
export interface Segment {
  from: Date;
  until: Date;
  /** Undefined: it had no due times. */
  trigger: ScheduleTrigger | undefined;
  enabled: boolean;
}

/** A run for a due time, as the ledger knows it. */
export interface DueRun {
  run_id: string;
  due: Date;
  firedAt: Date;
  /** Undefined: it is open. */
  finishedAt?: Date;
  /** Whether the reconciler made it, and not the engine. */
  filled: boolean;
  /** It came too late, and did nothing. */
  skipped: boolean;
}

/** Consecutive due times that are skipped for one reason. */
export interface SkippedStretch {
  firstDue: Date;
  lastDue: Date;
  count: number;
  reason: SkipReason;
  /** The run that stands for a compressed stretch. */
  into?: string;
}

export interface Settlement {
  /** Every due time until then is accounted for. */
  until: Date;
  skips: SkippedStretch[];
  /** To be run now; `compressed` are the due times that go into it. */
  run?: { due: Date; compressed?: SkippedStretch };
  /** More can be settled at once when this is carried out. */
  again: boolean;
}

export interface DueFacts {
  /** In order, without holes between them; the first begins where the last settlement ended. */
  segments: readonly Segment[];
  /** Runs for due times within the segments, and those before that are open. */
  runs: readonly DueRun[];
  /** How it stands now: what is disabled, deleted or paused does not run what it missed. */
  standing: "enabled" | "disabled" | "paused";
  /** When somebody's pause in the engine was last seen. */
  seenPausedAt?: Date | undefined;
}

/** The first due time that has no run, and whose jitter was over at `now`; undefined: there is none. */
export function findUnrun(segments: readonly Segment[], runs: readonly DueRun[], now: Date): Date | undefined {
  const ran = new Set(runs.map(({ due }) => due.getTime()));
  for (const { from, until, trigger, enabled } of segments) {
    if (trigger === undefined || !enabled) continue;
    const latest = new Date(Math.min(until.getTime(), now.getTime() - misfireOf(trigger).jitterMs));
    for (const { at } of dueTimes(trigger, from, latest)) if (!ran.has(at.getTime())) return at;
  }
  return undefined;
}

/** Accounts for the due times that the engine has had time to start. */
export function settleDueTimes({ segments, runs, standing, seenPausedAt }: DueFacts, now: Date): Settlement {
  const ran = new Map(runs.map((run) => [run.due.getTime(), run]));
  const skips: SkippedStretch[] = [];
  /** Of `compress`: the due times of a gap, of which the last is run, and those in it that their claim skipped. */
  const gap: Date[] = [];
  const claimed: Date[] = [];
  let until = segments[0]?.from ?? now;

  /** Continues the stretch before where nothing ran in between. */
  let open: SkippedStretch | undefined;
  function skip(due: Date, reason: SkipReason): void {
    if (open?.reason === reason) {
      open.lastDue = due;
      open.count++;
    } else {
      open = { firstDue: due, lastDue: due, count: 1, reason };
      skips.push(open);
    }
  }

  function runNow(due: Date): Settlement {
    return { until: due, skips, run: { due }, again: true };
  }
  const waitFor = (due: Date): Settlement => ({ until: new Date(due.getTime() - 1), skips, again: false });

  /** Whether it came because of the gap, was what a claim in the gap gave way to, or is the first behind a long run. */
  function standsForGap(run: DueRun): boolean {
    const latest = gap.at(-1);
    const gaveWay = claimed.some((due) => latest === undefined || due > latest);
    return gaveWay || isLate(run, segments) || gap.every((due) => wasGoing(runs, due));
  }

  function closeGap(settledUntil: Date): Settlement {
    const latest = gap.at(-1) as Date;
    if (mayStillCome(runs, latest, now)) return waitFor(gap[0] as Date);
    const next = runs.find((run) => run.due > latest && !run.skipped);
    if (next !== undefined && standsForGap(next)) {
      skips.push({ ...stretchOf([...gap, ...claimed]), into: next.run_id });
      return { until: settledUntil, skips, again: true };
    }
    const others = [...gap.slice(0, -1), ...claimed];
    return {
      until: settledUntil,
      skips,
      run: { due: latest, ...(others.length > 0 && { compressed: stretchOf(others) }) },
      again: true,
    };
  }

  /**
   * Whether a due time after the gap has come that is too young to tell: it may be a part of it. One that comes soon
   * stands for a gap that a long run made.
   */
  function mayGoOn(): boolean {
    const trigger = segments.at(-1)?.trigger;
    if (trigger === undefined || gap.length >= LONG_GAP) return false;
    const soonMs = gap.every((due) => wasGoing(runs, due)) ? SOON_MS : 0;
    const until = new Date(now.getTime() - misfireOf(trigger).jitterMs + soonMs);
    return dueTimes(trigger, gap.at(-1) as Date, until).some(({ at }) => !ran.has(at.getTime()));
  }

  for (const segment of segments) {
    if (segment.until <= segment.from) continue;
    const { trigger, enabled } = segment;
    const misfire = trigger && enabled ? misfireOf(trigger) : undefined;
    if (gap.length > 0 && misfire?.policy !== "compress") return closeGap(until);
    const settledMs = now.getTime() - SETTLE_AFTER_MS - (misfire?.jitterMs ?? 0);
    const horizon = new Date(Math.min(segment.until.getTime(), settledMs));
    if (horizon <= segment.from) break;
    // Why a disabled version ran nothing is said by the version itself.
    if (trigger && misfire)
      for (const { at, skipped } of dueTimes(trigger, segment.from, horizon)) {
        const run = ran.get(at.getTime());
        if (run !== undefined) {
          open = undefined;
          if (misfire.policy !== "compress") continue;
          if (run.skipped) {
            claimed.push(at);
            continue;
          }
          if (!standsForGap(run)) return closeGap(gap.at(-1) as Date);
          const compressed = [...gap.splice(0), ...claimed.splice(0)];
          if (compressed.length > 0) skips.push({ ...stretchOf(compressed), into: run.run_id });
          continue;
        }
        const lateMs = now.getTime() - at.getTime() - misfire.jitterMs;
        if (skipped) skip(at, skipped);
        else if (standing !== "enabled") skip(at, standing);
        else if (seenPausedAt !== undefined && at <= seenPausedAt) skip(at, "paused");
        else if (misfire.policy === "compress") gap.push(at);
        else if (misfire.policy === "catchup") {
          if (lateMs > misfire.catchupWindowMs) skip(at, "outside_catchup_window");
          else return mayStillCome(runs, at, now) ? waitFor(at) : runNow(at);
        } else if (wasGoing(runs, at)) skip(at, "overlap");
        else if (lateMs > misfire.graceMs || isFollowed(trigger, at, misfire.graceMs)) skip(at, "missed");
        else return runNow(at);
      }
    until = horizon;
    if (horizon < segment.until) break;
  }
  if (gap.length === 0) return { until, skips, again: false };
  return mayGoOn() ? waitFor(gap[0] as Date) : closeGap(until);
}

/**
 * Whether the engine may still start it by itself: it holds due times back while a run is going, and then starts them in
 * order, one soon after the other. Also where it will not: one run at a time is what the policy says.
 */
function mayStillCome(runs: readonly DueRun[], at: Date, now: Date): boolean {
  if (runs.some(({ finishedAt }) => finishedAt === undefined)) return true;
  if (runs.some(({ due }) => due > at)) return false;
  return runs.some(
    ({ finishedAt, filled }) => !filled && now.getTime() - (finishedAt as Date).getTime() < SETTLE_AFTER_MS,
  );
}

/** Whether it came because of the gap before it. */
function isLate({ due, firedAt }: DueRun, segments: readonly Segment[]): boolean {
  const trigger = segments.findLast(({ from }) => from < due)?.trigger;
  const jitterMs = trigger === undefined ? 0 : misfireOf(trigger).jitterMs;
  return firedAt.getTime() - due.getTime() - jitterMs > LATE_AFTER_GAP_MS;
}

function stretchOf(compressed: readonly Date[]): SkippedStretch {
  const due = compressed.toSorted((a, b) => a.getTime() - b.getTime());
  return { firstDue: due[0] as Date, lastDue: due.at(-1) as Date, count: due.length, reason: "compressed" };
}

/** Whether another due time comes within the grace: it makes up for this one, which would only crowd it. */
function isFollowed(trigger: ScheduleTrigger, at: Date, graceMs: number): boolean {
  return dueTimes(trigger, at, new Date(at.getTime() + graceMs)).next().value !== undefined;
}

/** Whether a run of an earlier due time was going when this one was due. */
function wasGoing(runs: readonly DueRun[], at: Date): boolean {
  return runs.some(
    ({ due, firedAt, finishedAt }) => due < at && firedAt <= at && (finishedAt === undefined || finishedAt > at),
  );
}
