/** What a reader is told of each due time of a range. */
import { describe, expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import type { SkippedStretch, SkipReason } from "../../src/calendar/misfire.ts";
import { type DueTimeFacts, type DueTimeRun, describeDueTimes } from "../../src/explain/due-time-views.ts";
import type { Segment } from "../../src/occurrence/due-facts.ts";

/** Minute n of an hour; every minute something is due. */
const at = (minute: number, second = 0) => new Date(Date.UTC(2026, 0, 31, 9, minute, second));
const EVERY_MINUTE = compileCalendar({ trigger_type: "interval", every: "1m" });
const segment = (from: number, until: number, enabled = true): Segment => ({
  from: at(from, 30),
  until: at(until, 30),
  calendar: EVERY_MINUTE,
  enabled,
});
const run = (minute: number, second = 0, rest: Partial<DueTimeRun> = {}): DueTimeRun => ({
  run_id: `run-${minute}`,
  due: at(minute, second),
  status: "succeeded",
  reason: null,
  firedAt: at(minute, second),
  ...rest,
});
const stretch = (first: Date, last: Date, reason: SkipReason, into_run: string | null = null): SkippedStretch => ({
  first_due: first,
  last_due: last,
  count: 1,
  reason,
  into_run,
});
const NOW = at(30);

/** As `minute:second outcome reason run`. */
function read(facts: Partial<DueTimeFacts> & { segments: Segment[] }, limit = 100, now = NOW) {
  return describeDueTimes({ runs: [], skips: [], settledUntil: at(0), ...facts }, now, limit).map(
    ({ scheduled_for, outcome, reason, run_id }) =>
      [scheduled_for.slice(14, 19), outcome, reason, run_id].filter((part) => part !== null).join(" "),
  );
}

describe("a due time", () => {
  test("with a run has its outcome: late beyond the grace, skipped with the run's own reason", () => {
    const late = run(2, 0, { firedAt: at(3, 1) });
    const skipped = run(3, 0, { status: "skipped", reason: "overlap" });
    expect(read({ segments: [segment(0, 3)], runs: [run(1), late, skipped] })).toEqual([
      "01:00 run run-1",
      "02:00 late run-2",
      "03:00 skipped overlap run-3",
    ]);
  });

  test("whose record is no longer kept has expired: it is not still to come", () => {
    expect(read({ segments: [segment(0, 2)], settledUntil: at(1, 30) })).toEqual(["01:00 expired", "02:00 pending"]);
  });

  test("without one was skipped for the reason of its stretch, is not judged yet, or is to come", () => {
    const skips = [stretch(at(1), at(2), "compressed", "run-3")];
    expect(read({ segments: [segment(0, 5)], runs: [run(3)], skips }, 100, at(4, 30))).toEqual([
      "01:00 skipped compressed run-3",
      "02:00 skipped compressed run-3",
      "03:00 run run-3",
      "04:00 pending",
      "05:00 upcoming",
    ]);
  });

  test("of a disabled version was disabled, whatever stretch lies over it", () => {
    const segments = [segment(0, 1), segment(1, 2, false), segment(2, 3)];
    expect(read({ segments, skips: [stretch(at(1), at(3), "missed")] })).toEqual([
      "01:00 skipped missed",
      "02:00 skipped disabled",
      "03:00 skipped missed",
    ]);
  });

  test("that a clock change removed says so, also within a stretch that was compressed", () => {
    const calendar = compileCalendar({
      trigger_type: "cron",
      cron_expression: "30 1,2,4 * * *",
      timezone: "Europe/Berlin",
      dst_gap: "skip",
    });
    const utc = (text: string) => new Date(`2026-03-29T${text}:00Z`);
    const segments = [{ from: utc("00:00"), until: utc("06:00"), calendar, enabled: true }];
    const skips = [stretch(utc("00:30"), utc("02:30"), "compressed", "run-1")];
    expect(read({ segments, skips }, 100, utc("06:00"))).toEqual([
      "30:00 skipped compressed run-1",
      "00:00 skipped dst_gap",
      "30:00 skipped compressed run-1",
    ]);
  });

  test("has the reason of the innermost stretch", () => {
    const skips = [stretch(at(1), at(3), "compressed", "run-4"), stretch(at(2), at(2), "paused")];
    expect(read({ segments: [segment(0, 3)], skips })).toEqual([
      "01:00 skipped compressed run-4",
      "02:00 skipped paused",
      "03:00 skipped compressed run-4",
    ]);
  });

  test("that no version names is told where a run has it", () => {
    expect(read({ segments: [segment(0, 2)], runs: [run(1, 40)] })).toEqual([
      "01:00 pending",
      "01:40 run run-1",
      "02:00 pending",
    ]);
  });
});

test("a page of due times needs no more runs than it has rows, the oldest of them", () => {
  const segments = [segment(0, 12)];
  const runs = [run(1), run(1, 40), run(3), run(5, 20), run(6), run(7), run(9)];
  for (let limit = 1; limit <= 9; limit++)
    expect(read({ segments, runs: runs.slice(0, limit) }, limit)).toEqual(read({ segments, runs }, limit));
});
