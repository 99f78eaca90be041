/**
 * Accounts for due times: those that the engine has had time to start, and did not, are run, skipped for a reason, or
 * waited for. Pure; reconciler.ts carries it out.
 */

import { type Calendar, endOf } from "../calendar/calendar.ts";
import { dueTimes } from "../calendar/due-times.ts";
import type { SkippedStretch, SkipReason } from "../calendar/misfire.ts";
import { type DueFacts, SETTLE_AFTER_MS, type Segment } from "../occurrence/due-facts.ts";
import { judgeUnrun } from "../occurrence/judge-due-time.ts";
import { createCompressedGap, type RunToMake } from "./compressed-gap.ts";

export interface Settlement {
  /** Every due time until then is accounted for. */
  until: Date;
  skips: SkippedStretch[];
  run?: RunToMake;
  /** Whether more can be settled as soon as this is carried out. */
  again: boolean;
}

/** A settlement, and what the ledger keeps of it besides. */
export interface SettlementRecord extends Settlement {
  /** What the run says it was started by. */
  trigger: Calendar["trigger_type"];
  /** When all of a trigger that has an end was accounted for, such as a one-shot; null for everything else. */
  doneAt: Date | null;
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
    skips: skips.filter(({ first_due }) => first_due <= until),
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
    const calendar = segment.enabled ? segment.calendar : undefined;
    const misfire = calendar?.misfire;
    if (calendar === undefined) interrupt();
    if (gap.first() !== undefined && misfire?.policy !== "compress") return closeGap(until);
    const horizon = new Date(Math.min(end.getTime(), now.getTime() - SETTLE_AFTER_MS - (misfire?.jitterMs ?? 0)));
    if (horizon <= from) break;
    if (calendar !== undefined)
      for (const due of dueTimes(calendar, from, horizon)) {
        const run = ran.get(due.at.getTime());
        if (run === undefined) {
          const verdict = judgeUnrun(due, calendar, segment.isCounted ? { ...facts, runs: [] } : facts, now);
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

/** What the ledger keeps of a settlement. `segments` are those that were settled. */
export function recordOf(settlement: Settlement, segments: readonly Segment[]): SettlementRecord {
  const { until, run } = settlement;
  const { calendar, from = until } = segments.at(-1) ?? {};
  const end = calendar && endOf(calendar);
  const isDone = end !== undefined && end <= until;
  // It lies between the writing of its version and of any later one, which then is looked at again.
  const doneAt = isDone ? new Date(Math.max(from.getTime(), until.getTime())) : null;
  const trigger = segments.findLast(({ from }) => run !== undefined && from < run.due)?.calendar?.trigger_type;
  return { ...settlement, trigger: trigger ?? "cron", doneAt };
}

/** Collects skipped due times; those that follow each other for one reason are one stretch, unless it is interrupted. */
function createStretches() {
  const skips: SkippedStretch[] = [];
  let open: SkippedStretch | undefined;
  return {
    skips,
    skip(due: Date, reason: SkipReason): void {
      if (open?.reason === reason) {
        open.last_due = due;
        open.count++;
      } else {
        open = { first_due: due, last_due: due, count: 1, reason };
        skips.push(open);
      }
    },
    interrupt(): void {
      open = undefined;
    },
  };
}
