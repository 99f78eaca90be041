/** When the reconciler notes how far it got: seldom, for each note is a commit. */
import { expect, test } from "bun:test";
import type { IntervalTrigger } from "../../src/calendar/trigger.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import type { DueRun } from "../../src/occurrence/due-facts.ts";
import { type DueActivity, type ReconcilerDeps, reconcile } from "../../src/schedule/reconciler.ts";
import type { Settlement } from "../../src/schedule/settlement.ts";

const at = (minute: number, second = 0) => new Date(Date.UTC(2026, 0, 31, 9, minute, second));
const EVERY_TEN: IntervalTrigger = { trigger_type: "interval", every: "10m" };
const ran = (due: Date): DueRun => ({
  ...{ run_id: "run", due, firedAt: due, finishedAt: due, filled: false, skipped: false },
});

/** How far one round at `now` says that it got; undefined: it noted nothing. */
async function noteOf(trigger: IntervalTrigger, runs: DueRun[], now: Date, rest: Partial<DueActivity> = {}) {
  const created_at = at(1).toISOString();
  const past = { since: created_at, versions: [{ version: 1, created_at, trigger, enabled: true }] };
  let noted: Date | undefined;
  const deps = {
    due: {
      listActivities: async () => [
        {
          activity_id: "a",
          activity_name: "a",
          enabled: true,
          paused_by_us: false,
          ...past,
          ended_at: null,
          seen_paused_at: null,
          ...rest,
        },
      ],
      listDueRuns: async () => runs,
      settle: async (_: string, { until }: Settlement) => {
        noted = until;
        return undefined;
      },
    },
    watch: { begin: async () => undefined, end: async () => {} },
    schedules: { isPaused: async () => false },
    metrics: createMetrics(),
    log: createLog("silent"),
  } as unknown as ReconcilerDeps;
  await reconcile(deps, now, new AbortController().signal);
  return noted;
}

test("a due time that ran is noted once its jitter is over", async () => {
  const trigger = { ...EVERY_TEN, jitter: "5m" };
  const noteAt = (now: Date) => noteOf(trigger, [ran(at(10))], now);
  expect(await noteAt(at(15, 14))).toBeUndefined();
  expect(await noteAt(at(15, 16))).toEqual(at(10, 1));
});

test("a live definition without due times is noted once an hour, a deleted one at its end", async () => {
  const trigger = { ...EVERY_TEN, every: "30d" };
  const noteAt = (now: Date, ended_at: Date | null = null) => noteOf(trigger, [], now, { ended_at });
  expect(await noteAt(at(30))).toBeUndefined();
  expect(await noteAt(at(62))).toEqual(at(61, 45));
  expect(await noteAt(at(30), at(20))).toEqual(at(20));
});
