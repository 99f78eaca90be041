/**
 * Watches activities with `expect`: finds those that are overdue, tells so once per episode, and tells when they succeed again.
 *
 * Each has a time at which it is to be looked at, so a round reads only those whose time has come. Any number of processes may be
 * at it: what is told is written in the transaction that begins or ends the episode.
 */

import { compileCalendar } from "../calendar/calendar.ts";
import { dueTimes } from "../calendar/due-times.ts";
import type { ScheduleTrigger } from "../calendar/trigger.ts";
import { type Cause, makeOwnEvent, type OwnEvent } from "../event/own-event.ts";
import type { Chore } from "../kernel/chore.ts";
import { RetryableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { scheduleId } from "../schedule/plan.ts";
import type { PauseInspector } from "../schedule/reconciler.ts";
import { judgeSilence, type SilenceFacts, type SilenceVerdict } from "./judge-silence.ts";

/** An activity whose expectation is to be looked at, as the ledger knows it. */
export interface WatchedActivity extends Omit<SilenceFacts, "owesDueTime" | "engine"> {
  activity_id: string;
  activity_name: string;
  /** As the definition has it. */
  success_within: string | number;
  trigger: ScheduleTrigger | { trigger_type: "event" };
  /** How far its due times are accounted for. */
  settled_until: Date | null;
  /** The own event that started the run which succeeded last. */
  cause: Cause;
}

/** What becomes of the row, and what is told. */
export interface ExpectationChange {
  activity_id: string;
  counts_from: Date;
  overdue_since: Date | null;
  look_at: Date;
  news?: OwnEvent | undefined;
}

/** postgres/expectation/expectation-ledger.ts is behind it. */
export interface ExpectationLedger {
  /** Those to be looked at by `now`, and those that are overdue and have succeeded; those first that waited longest. */
  listToLookAt(now: Date, limit: number): Promise<WatchedActivity[]>;
  /**
   * Reads them again, has them judged, and stores changes and news in the same transaction. What another process is at is left
   * out. Answers how many were judged.
   */
  lookAgain(
    activityIds: readonly string[],
    now: Date,
    judge: (activity: WatchedActivity) => ExpectationChange,
  ): Promise<number>;
  /** How many are overdue, and when the next one is to be looked at. */
  sum(): Promise<{ overdue: number; next_look_at: Date | null }>;
}

export interface ExpectationWatchDeps {
  ledger: ExpectationLedger;
  schedules: PauseInspector;
  metrics: Pick<Metrics, "activitiesOverdue">;
  log: Log;
}

const EVERY_MS = 5_000;
const SOONEST_MS = 200;
const BATCH = 200;
/** A longer stretch without the end of a round is a gap in looking. */
const GAP_MS = 30_000;

export function createExpectationChore(deps: ExpectationWatchDeps): Chore {
  const { ledger, metrics } = deps;
  let lookingSince = new Date(0);
  let endedAt = new Date(0);
  return {
    name: "expectations",
    everyMs: EVERY_MS,
    failed: "expectations not looked at",
    onFailure: () => metrics.activitiesOverdue.remove(),
    async round(signal) {
      const now = new Date();
      if (now.getTime() - endedAt.getTime() > GAP_MS) lookingSince = now;
      await lookAtAll(deps, now, lookingSince, signal);
      endedAt = new Date();
      const { overdue, next_look_at } = await ledger.sum();
      metrics.activitiesOverdue.set(overdue);
      const waitMs = next_look_at === null ? EVERY_MS : next_look_at.getTime() - Date.now();
      return Math.min(EVERY_MS, Math.max(SOONEST_MS, waitMs));
    },
  };
}

/** One round over every activity whose time to be looked at has come. */
export async function lookAtAll(
  { ledger, schedules, log }: ExpectationWatchDeps,
  now: Date,
  lookingSince: Date,
  signal: AbortSignal,
): Promise<void> {
  for (let judged = BATCH; judged === BATCH && !signal.aborted; ) {
    const activities = await ledger.listToLookAt(now, BATCH);
    if (activities.length === 0) return;
    const engine = new Map<string, SilenceFacts["engine"]>();
    for (const activity of activities) {
      const { trigger, activity_id } = activity;
      const isScheduled = trigger.trigger_type !== "event";
      if (isScheduled && judgeSilence(factsOf(activity), now, lookingSince).is === "overdue")
        engine.set(activity_id, await askEngine(schedules, activity_id));
    }
    const ids = activities.map(({ activity_id }) => activity_id);
    judged = await ledger.lookAgain(ids, now, (activity) => {
      const facts = { ...factsOf(activity), engine: engine.get(activity.activity_id) };
      const verdict = judgeSilence(facts, now, lookingSince);
      report(log, activity, verdict);
      return changeOf(activity, verdict, now, log);
    });
  }
}

async function askEngine(schedules: PauseInspector, activityId: string): Promise<SilenceFacts["engine"]> {
  try {
    return (await schedules.isPaused(scheduleId(activityId))) ? "paused" : "running";
  } catch (error) {
    if (error instanceof RetryableError) return "away";
    throw error;
  }
}

function factsOf({ trigger, settled_until, ...facts }: WatchedActivity): SilenceFacts {
  const owesDueTime = (until: Date) =>
    trigger.trigger_type !== "event" &&
    settled_until !== null &&
    !dueTimes(compileCalendar(trigger), settled_until, until).next().done;
  return { ...facts, owesDueTime };
}

function changeOf(activity: WatchedActivity, verdict: SilenceVerdict, now: Date, log: Log): ExpectationChange {
  const { activity_id, counts_from, overdue_since, cause } = activity;
  const { look_at } = verdict;
  switch (verdict.is) {
    case "paused":
      return { activity_id, counts_from: now, overdue_since, look_at };
    case "overdue": {
      const { since } = verdict;
      const news = newsOf("actcore.activity.overdue", activity, since, { cause: null }, log);
      return { activity_id, counts_from, overdue_since: since, look_at, news };
    }
    case "recovered": {
      const led = { cause, run_id: activity.last_success?.run_id };
      const news = newsOf("actcore.activity.recovered", activity, overdue_since as Date, led, log);
      return { activity_id, counts_from, overdue_since: null, look_at, news };
    }
    case "quiet": {
      // Kept, because retention may remove the run before its time is over.
      const last = Math.max(counts_from.getTime(), activity.last_success?.at.getTime() ?? 0);
      return { activity_id, counts_from: new Date(last), overdue_since, look_at };
    }
    default:
      return { activity_id, counts_from, overdue_since, look_at };
  }
}

function newsOf(
  type: OwnEvent["type"],
  { activity_id, activity_name, success_within, success_within_ms, last_success }: WatchedActivity,
  since: Date,
  led: { cause: Cause; run_id?: string | undefined },
  log: Log,
): OwnEvent {
  const payload = {
    activity_id,
    activity_name,
    success_within,
    last_success: last_success && { run_id: last_success.run_id, at: last_success.at.toISOString() },
    silent_since: new Date(since.getTime() - success_within_ms).toISOString(),
    overdue_since: since.toISOString(),
  };
  const about = { type, subject: activity_id, occasion: since.toISOString() };
  const news = makeOwnEvent({ ...about, ...led, payload });
  if (news.cut_reason !== undefined)
    log.warn({ activity_id, activity_name, type, reason: news.cut_reason }, "event not published");
  return news;
}

function report(
  log: Log,
  { activity_id, activity_name, last_success, overdue_since }: WatchedActivity,
  verdict: SilenceVerdict,
) {
  const about = { activity_id, activity_name, last_success: last_success?.at ?? null };
  if (verdict.is === "overdue") log.warn({ ...about, since: verdict.since }, "activity is overdue");
  if (verdict.is === "recovered") log.info({ ...about, since: overdue_since }, "activity has succeeded again");
}
