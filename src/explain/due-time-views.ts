/** What a reader sees of the due times of a schedule: each of them, and what became of it (I3). */
import { type Static, Type } from "@sinclair/typebox";
import { dueTimes } from "../calendar/due-times.ts";
import { SKIP_REASONS, type SkippedStretch, type SkipReason } from "../calendar/misfire.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import type { Segment } from "../occurrence/due-facts.ts";
import { dueKey } from "../occurrence/occurrence.ts";
import { RUN_STATUSES, type RunStatus } from "../run/run.ts";

/** `pending`: the engine may still start it. `expired`: it was accounted for, longer ago than that is kept. */
export const DUE_OUTCOMES = ["run", "late", "skipped", "expired", "pending", "upcoming"] as const;

export const DueTimeView = Type.Object(
  {
    scheduled_for: Type.String({ format: "date-time" }),
    outcome: oneOf(DUE_OUTCOMES),
    reason: Nullable(Type.String({ description: `Of a skipped one: ${SKIP_REASONS.join(", ")}, or its run's own.` })),
    run_id: Nullable(Type.String({ format: "uuid", description: "Of a compressed one: the run that stands for it." })),
    run_status: Nullable(oneOf(RUN_STATUSES)),
    delay_ms: Nullable(
      Type.Integer({ description: "From the due time to the claim of its run; later than misfire_grace is `late`." }),
    ),
  },
  { title: "DueTime" },
);
export type DueTimeView = Static<typeof DueTimeView>;

/** A run of a due time, for its reader. */
export interface DueTimeRun {
  run_id: string;
  due: Date;
  status: RunStatus;
  reason: string | null;
  firedAt: Date;
}

export interface DueTimeFacts {
  /** What the definition said in the range, in order. */
  segments: readonly Segment[];
  /** The oldest of the range; also those for times that no version names, such as a trigger by hand in the engine. */
  runs: readonly DueTimeRun[];
  /** In the order of their first due times. */
  skips: readonly SkippedStretch[];
  /** Every due time until then is accounted for. */
  settledUntil: Date;
}

/** postgres/explain/due-time-reader.ts is behind it. */
export interface DueTimeReader {
  /**
   * From `from` to `to`, both included; at most `limit` runs, which are enough to describe `limit` due times.
   * Undefined: there is no definition of this id; one that was deleted had its due times until then.
   */
  readDueTimes(activityId: string, from: Date, to: Date, limit: number): Promise<DueTimeFacts | undefined>;
}

/** The due time behind the first `limit`: a schedule that is often busy has too many stretches to read all of them. */
export function endOfPage(segments: readonly Segment[], to: Date, limit: number): Date {
  let count = 0;
  for (const { from, until, calendar } of segments)
    if (calendar !== undefined) for (const { at } of dueTimes(calendar, from, until)) if (count++ === limit) return at;
  return to;
}

/** The due times in their order, at most `limit` of them. */
export function describeDueTimes(facts: DueTimeFacts, now: Date, limit: number): DueTimeView[] {
  const { segments, runs } = facts;
  const left = new Map(runs.map((run) => [run.due.getTime(), run]));
  const views: DueTimeView[] = [];
  for (const { from, until, calendar, enabled } of segments) {
    if (calendar === undefined) continue;
    const { graceMs, jitterMs } = calendar.misfire;
    for (const { at, skipped } of dueTimes(calendar, from, until)) {
      // One more than asked for: a run without a due time of its own may stand between.
      if (views.length > limit) break;
      const run = left.get(at.getTime());
      left.delete(at.getTime());
      if (run !== undefined) views.push(describeRun(run, graceMs + jitterMs));
      else views.push(describeUnrun(at, facts, now, skipped ?? (enabled ? undefined : "disabled")));
    }
  }
  for (const run of left.values()) views.push(describeRun(run, Number.POSITIVE_INFINITY));
  return views.sort((a, b) => a.scheduled_for.localeCompare(b.scheduled_for)).slice(0, limit);
}

function describeRun({ run_id, due, status, reason, firedAt }: DueTimeRun, lateAfterMs: number): DueTimeView {
  const delay_ms = Math.max(0, firedAt.getTime() - due.getTime());
  const outcome = status === "skipped" ? "skipped" : delay_ms > lateAfterMs ? "late" : "run";
  return { scheduled_for: dueKey(due), outcome, reason, run_id, run_status: status, delay_ms };
}

function describeUnrun(
  at: Date,
  { skips, settledUntil }: DueTimeFacts,
  now: Date,
  ownReason: SkipReason | undefined,
): DueTimeView {
  const own = at <= now ? ownReason : undefined;
  // A stretch may lie over due times that it does not count: over those with a reason of their own, and another stretch.
  const stretch = own ? undefined : skips.findLast(({ first_due, last_due }) => first_due <= at && at <= last_due);
  const reason = own ?? stretch?.reason ?? null;
  const unknown = at <= settledUntil ? "expired" : at <= now ? "pending" : "upcoming";
  return {
    scheduled_for: dueKey(at),
    outcome: reason !== null ? "skipped" : unknown,
    reason,
    run_id: stretch?.into_run ?? null,
    run_status: null,
    delay_ms: null,
  };
}
