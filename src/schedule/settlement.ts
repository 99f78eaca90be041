/**
 * Accounts for due times: those that the engine has had time to start, and did not, are run, skipped for a reason, or
 * waited for. Pure; reconciler.ts carries it out.
 */

import { type DueTime, dueTimes } from "../calendar/due-times.ts";
import { misfireOf, type SkippedStretch, type SkipReason } from "../calendar/misfire.ts";
import type { ScheduleTrigger } from "../calendar/trigger.ts";
import {
  type Absence,
  type DueFacts,
  isMissed,
  mayStillCome,
  SETTLE_AFTER_MS,
  wasGoing,
} from "../occurrence/due-facts.ts";
import { createCompressedGap, type RunToMake } from "./compressed-gap.ts";

export interface Settlement {
  /** Every due time until then is accounted for. */
  until: Date;
  skips: SkippedStretch[];
  run?: RunToMake;
  /** Whether more can be settled as soon as this is carried out. */
  again: boolean;
}

/** From the oldest on, up to the first run that is to be made or waited for. */
export function settleDueTimes(facts: DueFacts, now: Date): Settlement {
  const { segments, runs } = facts;
  const ran = new Map(runs.map((run) => [run.due.getTime(), run]));
  const { skips, skip, interrupt } = createStretches();
  const gap = createCompressedGap(facts, now);
  let until = segments[0]?.from ?? now;

  /** Without the skips that begin after `until`: the settlement of that time records them. */
  const settle = (until: Date, run?: RunToMake): Settlement => ({
    until,
    skips: skips.filter(({ firstDue }) => firstDue <= until),
    ...(run !== undefined && { run }),
    again: run !== undefined,
  });
  const waitFor = (due: Date) => settle(new Date(due.getTime() - 1));
  function closeGap(until: Date): Settlement {
    const end = gap.end();
    if ("waitFor" in end) return waitFor(end.waitFor);
    if ("run" in end) return settle(until, end.run);
    skips.push(end.into);
    return { ...settle(until), again: true };
  }

  for (const segment of segments) {
    const { from, until: end } = segment;
    if (end <= from) continue;
    // That a version was disabled is recorded with the version: its due times need no reason of their own.
    const trigger = segment.enabled ? segment.trigger : undefined;
    const misfire = trigger && misfireOf(trigger);
    if (trigger === undefined) interrupt();
    if (gap.first() !== undefined && misfire?.policy !== "compress") return closeGap(until);
    const horizon = new Date(Math.min(end.getTime(), now.getTime() - SETTLE_AFTER_MS - (misfire?.jitterMs ?? 0)));
    if (horizon <= from) break;
    if (trigger !== undefined)
      for (const due of dueTimes(trigger, from, horizon)) {
        const run = ran.get(due.at.getTime());
        if (run === undefined) {
          const verdict = judgeUnrun(due, trigger, facts, now);
          if (verdict === "wait") return waitFor(due.at);
          if (verdict === "run") return settle(due.at, { due: due.at });
          if (verdict !== "compress") skip(due.at, verdict);
          else {
            interrupt();
            gap.add(due.at);
          }
          continue;
        }
        interrupt();
        if (misfire?.policy !== "compress") continue;
        const latest = gap.latest();
        if (run.skipped) gap.addClaimed(due.at);
        else if (latest === undefined || gap.isCoveredBy(run)) skips.push(...gap.endIn(run));
        else return closeGap(latest);
      }
    until = horizon;
    if (horizon < end) break;
  }
  const first = gap.first();
  if (first === undefined) return settle(until);
  return gap.mayGoOn() ? waitFor(first) : closeGap(until);
}

/** What becomes of a due time without a run: why it is skipped, or whether to run it or to wait. `compress`: its gap decides. */
function judgeUnrun(
  { at, skipped }: DueTime,
  trigger: ScheduleTrigger,
  { segments, runs, enabled, seenPausedAt, absence }: DueFacts,
  now: Date,
): SkipReason | "run" | "wait" | "compress" {
  if (skipped) return skipped;
  if (!enabled) return "disabled";
  if (seenPausedAt !== undefined && at <= seenPausedAt) return "paused";
  const { policy, catchupWindowMs, jitterMs } = misfireOf(trigger);
  if (policy === "compress") return "compress";
  if (policy === "catchup") {
    if (now.getTime() - at.getTime() - jitterMs > catchupWindowMs) return "outside_catchup_window";
    return mayStillCome(runs, at, now) ? "wait" : "run";
  }
  const wasOpen = wasGoing(runs, at);
  // While every worker was away, an open run may not have been going: then the absence is why this one did not run.
  if (wasOpen && !isWithin(absence, at)) return "overlap";
  const isOpen = wasOpen && runs.some(({ finishedAt }) => finishedAt === undefined);
  return isOpen || isMissed(segments, trigger, at, now) ? "missed" : "run";
}

function isWithin(absence: Absence | undefined, at: Date): boolean {
  return absence !== undefined && absence.from < at && at <= absence.until;
}

/** Collects skipped due times; those that follow each other for one reason are one stretch, unless it is interrupted. */
function createStretches() {
  const skips: SkippedStretch[] = [];
  let open: SkippedStretch | undefined;
  return {
    skips,
    skip(due: Date, reason: SkipReason): void {
      if (open?.reason === reason) {
        open.lastDue = due;
        open.count++;
      } else {
        open = { firstDue: due, lastDue: due, count: 1, reason };
        skips.push(open);
      }
    },
    interrupt(): void {
      open = undefined;
    },
  };
}
