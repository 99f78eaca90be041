/**
 * Accounts for every due time (I2, I3): those that have neither run nor reason are run, or get their reason.
 *
 * The engine starts what is due; this looks some seconds later at what it did not start, because it was away, because an
 * update discarded it, or because its overlap policy dropped it. One process at a time does it. What it decides is one
 * transaction with how far it got, so a crash repeats nothing; the run that it owes is started then, or by the finisher.
 */
import type { Chore } from "../kernel/chore.ts";
import { describeError, RetryableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { type DefinitionHistory, segmentsOf } from "../occurrence/definition-history.ts";
import { type Absence, type DueRun, hasUnrun, type Segment, wasDue } from "../occurrence/due-facts.ts";
import type { AcceptedRun, RunStarter } from "../run/engine.ts";
import { scheduleId } from "./plan.ts";
import { recordOf, type Settlement, type SettlementRecord, settleDueTimes } from "./settlement.ts";

/** A definition with due times that are not accounted for, and what it said since it was last settled. */
export interface DueActivity extends DefinitionHistory {
  activity_id: string;
  activity_name: string;
  /** As it is now. */
  enabled: boolean;
  /** When it was deleted. */
  ended_at: Date | null;
  /** The engine was not told yet that it is enabled: a pause that stands there is ours. */
  paused_by_us: boolean;
  /** When somebody's pause in the engine was last seen. */
  seen_paused_at: Date | null;
}

/** An activity with what its definition said since it was last settled, in order. */
interface SettlingActivity extends DueActivity {
  segments: Segment[];
}

/** postgres/schedule/due-ledger.ts is behind it. */
export interface DueLedger {
  /** Definitions that have, or had since they were settled, a schedule. */
  listActivities(): Promise<DueActivity[]>;
  /** Runs for due times after `since`, and for earlier ones that were open then. */
  listDueRuns(activityId: string, since: Date): Promise<DueRun[]>;
  /** Remembers that somebody's pause stands in the engine: what is due until then is not run later. */
  notePaused(activityId: string, at: Date): Promise<void>;
  /** Records the settlement; answers the run that was made, unless somebody else has its due time by now. */
  settle(activityId: string, settlement: SettlementRecord): Promise<AcceptedRun | undefined>;
}

/** Remembers when due times were looked at, and so when nobody did. postgres/schedule/due-watch.ts is behind it. */
export interface DueWatch {
  /** A round begins; answers the last absence, which ends with this moment where the last round ended too long ago. */
  begin(now: Date): Promise<Absence | undefined>;
  /** A round came to its end. */
  end(now: Date): Promise<void>;
}

/** temporal/schedule-reader.ts is behind it. */
export interface PauseInspector {
  /** Whether it stands paused in the engine; a schedule that is not there is not. @throws RetryableError */
  isPaused(scheduleId: string): Promise<boolean>;
}

export interface ReconcilerDeps {
  due: DueLedger;
  watch: DueWatch;
  schedules: PauseInspector;
  starter: RunStarter;
  metrics: Metrics;
  log: Log;
}

const EVERY_MS = 5_000;
/** How old a due time is before the engine is asked why it did not start it: each question in a burst delays a start. */
const ASK_AFTER_MS = 10_000;
/** The pause between rounds while there are more due times to run. */
const FILLING_EVERY_MS = 250;
/** An activity without due times is noted as settled this often. */
const NOTE_AFTER_MS = 3_600_000;
const MAX_RUNS_AT_ONCE = 100;

/** The chore. It runs in one process at a time. */
export function createReconcilerChore(deps: ReconcilerDeps): Chore {
  return {
    name: "reconciler",
    everyMs: EVERY_MS,
    firstAfterMs: EVERY_MS,
    failed: "due times not accounted for yet",
    round: async (signal) => ((await reconcile(deps, new Date(), signal)) ? FILLING_EVERY_MS : EVERY_MS),
  };
}

/** One round over every activity; answers whether it made a run. */
export async function reconcile(deps: ReconcilerDeps, now: Date, signal: AbortSignal): Promise<boolean> {
  let filled = false;
  const absence = await deps.watch.begin(now);
  for (const activity of await deps.due.listActivities()) {
    if (signal.aborted) return false;
    try {
      const segments = segmentsOf(activity, activity.ended_at ?? now);
      if (await settleActivity(deps, { ...activity, segments }, now, absence)) filled = true;
    } catch (error) {
      // One that cannot be settled holds up no other, unless it is the engine that is away.
      if (error instanceof RetryableError) throw error;
      const { activity_id, activity_name } = activity;
      deps.log.error({ activity_id, activity_name, reason: describeError(error) }, "due times not accounted for");
    }
  }
  await deps.watch.end(new Date(Math.max(now.getTime(), Date.now())));
  return filled;
}

async function settleActivity(
  deps: ReconcilerDeps,
  activity: SettlingActivity,
  now: Date,
  absence: Absence | undefined,
): Promise<boolean> {
  let filled = false;
  for (let round = 0; round < MAX_RUNS_AT_ONCE; round++) {
    const settlement = await settlementOf(deps, activity, now, absence);
    if (settlement === undefined) return filled;
    const made = await deps.due.settle(activity.activity_id, recordOf(settlement, activity.segments));
    report(deps, activity, settlement);
    if (made !== undefined) {
      filled = true;
      if (!made.waits) await deps.starter.start(made);
    }
    if (!settlement.again) return filled;
    activity.segments = after(activity.segments, settlement.until);
  }
  return filled;
}

function after(segments: readonly Segment[], time: Date): Segment[] {
  const left = segments.filter(({ until }) => until > time);
  return left.map((segment) => (segment.from < time ? { ...segment, from: time } : segment));
}

/** Undefined when there is nothing to note. */
async function settlementOf(
  { due, schedules }: ReconcilerDeps,
  activity: SettlingActivity,
  now: Date,
  absence: Absence | undefined,
): Promise<Settlement | undefined> {
  const { activity_id, paused_by_us, segments } = activity;
  const enabled = activity.enabled && activity.ended_at === null;
  const since = segments[0]?.from;
  if (since === undefined) return undefined;
  const asked = new Date(now.getTime() - ASK_AFTER_MS);
  if (!hasUnrun(segments, [], asked)) {
    const idle = settleDueTimes({ segments, runs: [], enabled }, now);
    // A deleted definition is listed until it is noted as settled to its end.
    const isOver = idle.until.getTime() === segments.at(-1)?.until.getTime();
    return !isOver && idle.until.getTime() - since.getTime() < NOTE_AFTER_MS ? undefined : idle;
  }

  const runs = await due.listDueRuns(activity_id, since);
  // A pause that somebody made in the engine is honoured, also when it ends before its due times are settled.
  const unrun = enabled && !paused_by_us && hasUnrun(segments, runs, asked);
  if (unrun && (await schedules.isPaused(scheduleId(activity_id)))) {
    activity.seen_paused_at = now;
    await due.notePaused(activity_id, now);
  }
  const { seen_paused_at: seenPausedAt } = activity;
  const settlement = settleDueTimes({ segments, runs, enabled, seenPausedAt, absence }, now);
  return hasHoles(settlement) || wasDue(segments, settlement.until) ? settlement : undefined;
}

function hasHoles({ skips, run }: Settlement): boolean {
  return skips.length > 0 || run !== undefined;
}

function report({ metrics, log }: ReconcilerDeps, activity: DueActivity, { skips, run }: Settlement): void {
  const { activity_id, activity_name } = activity;
  for (const { reason, count, first_due, last_due } of run?.compressed ? [...skips, run.compressed] : skips) {
    metrics.dueTimes.inc({ outcome: "skipped", reason }, count);
    log.warn({ activity_id, activity_name, reason, count, first: first_due, last: last_due }, "due times skipped");
  }
  if (run === undefined) return;
  metrics.dueTimes.inc({ outcome: "filled", reason: "" });
  log.warn({ activity_id, activity_name, scheduled_for: run.due }, "due time run late: the engine did not start it");
}
