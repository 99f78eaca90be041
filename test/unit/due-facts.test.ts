/** What the reconciler asks of the due times of an activity. Every minute something is due. */
import { describe, expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import type { IntervalTrigger } from "../../src/calendar/trigger.ts";
import {
  type DueRun,
  hasUnrun,
  mayStillCome,
  SETTLE_AFTER_MS,
  type Segment,
  wasDue,
  wasGoing,
} from "../../src/occurrence/due-facts.ts";
import { findLateness, isFollowed } from "../../src/occurrence/judge-due-time.ts";

/** Minute n of an hour. */
const at = (minute: number, second = 0, ms = 0) => new Date(Date.UTC(2026, 0, 31, 9, minute, second, ms));
const everyMinute: IntervalTrigger = { trigger_type: "interval", every: "1m" };
const jittered: IntervalTrigger = { ...everyMinute, jitter: "30s" };
const segment = (from: number, until: number, { trigger = everyMinute, enabled = true } = {}): Segment => ({
  from: at(from),
  until: at(until),
  calendar: compileCalendar(trigger),
  enabled,
});
const disabled = (from: number, until: number) => segment(from, until, { enabled: false });
/** A version that waits for events. */
const without = (from: number, until: number): Segment => ({ ...segment(from, until), calendar: undefined });

/** A run for minute n that began then and ended a second later. */
const run = (minute: number, rest: Partial<DueRun> = {}): DueRun => ({
  ...{ run_id: `run-${minute}`, due: at(minute), firedAt: at(minute), finishedAt: at(minute, 1) },
  ...{ filled: false, skipped: false, ...rest },
});
const open = (minute: number, firedAt = at(minute)): DueRun => {
  const { finishedAt: _, ...going } = run(minute, { firedAt });
  return going;
};

describe("a due time without a run", () => {
  test.each<[what: string, segments: Segment[], runs: DueRun[], now: Date, is: boolean]>([
    ["is there where nothing ran", [segment(0, 2)], [], at(3), true],
    ["is there where another one ran", [segment(0, 2)], [run(2)], at(3), true],
    ["is not there where all ran", [segment(0, 2)], [run(1), run(2)], at(3), false],
    ["is not there before it is due", [segment(0, 2)], [run(1)], at(1, 59), false],
    ["is there when it is due", [segment(0, 2)], [run(1)], at(2), true],
    ["is not there behind the version's end", [segment(0, 2)], [run(1), run(2)], at(9), false],
    ["is not there before its jitter is over", [segment(0, 2, { trigger: jittered })], [run(1)], at(2, 29), false],
    ["is there when its jitter is over", [segment(0, 2, { trigger: jittered })], [run(1)], at(2, 30), true],
    ["is not there for a disabled version", [disabled(0, 2)], [], at(3), false],
    ["is not there for a version without a schedule", [without(0, 2)], [], at(3), false],
    ["is there for one of several versions", [disabled(0, 2), segment(2, 4), without(4, 6)], [], at(9), true],
  ])("%s", (_, segments, runs, now, is) => {
    expect(hasUnrun(segments, runs, now)).toBe(is);
  });
});

describe("a due time of minute 1 is followed by another", () => {
  test.each<[what: string, segments: Segment[], until: Date, is: boolean]>([
    ["where the next one is due by then", [segment(0, 9)], at(2), true],
    ["not before that", [segment(0, 9)], at(1, 59), false],
    ["where the last version goes on behind what is known of it", [segment(0, 1)], at(2), true],
    ["not where its version ended and the next one is disabled", [segment(0, 1), disabled(1, 9)], at(5), false],
    ["where the next version is due", [segment(0, 1), segment(1, 9)], at(2), true],
    ["not where the next version has no schedule", [segment(0, 1), without(1, 9)], at(5), false],
    ["not where it was disabled", [disabled(0, 9)], at(5), false],
    ["not by a version that began and ended before", [segment(0, 1), disabled(1, 2), without(2, 9)], at(9), false],
    ["by a version that begins later, from its begin on", [disabled(0, 3), segment(3, 9)], at(4), true],
    ["not by one that begins later before that", [disabled(0, 3), segment(3, 9)], at(3, 59), false],
  ])("%s", (_, segments, until, is) => {
    expect(isFollowed(segments, at(1), until)).toBe(is);
  });
});

describe("under skip, the due time of minute 1 is missed", () => {
  const longGrace = { ...everyMinute, misfire_grace: "5m" };
  test.each<[what: string, trigger: IntervalTrigger, now: Date, is: boolean]>([
    ["later than its grace", everyMinute, at(2, 0, 1), true],
    [
      "not while it is within its grace and nothing else is due",
      { ...everyMinute, every: "5m", offset: "1m" },
      at(2),
      false,
    ],
    ["where a later one is due, and the engine had its time", longGrace, at(2), true],
    ["not before a later one is due", longGrace, at(1, 59, 999), false],
    ["not before its jitter and its grace are over", jittered, at(2, 29, 999), false],
    ["where a later one is due, jitter included", jittered, at(2, 30), true],
  ])("%s", (_, trigger, now, is) => {
    expect(findLateness(compileCalendar(trigger), [segment(0, 1, { trigger })], at(1), now)).toBe(
      is ? "missed" : undefined,
    );
  });

  test.each([
    [SETTLE_AFTER_MS, true],
    [SETTLE_AFTER_MS - 1, false],
  ])("for a later one %p ms after it was due: %p", (lateMs, is) => {
    const every: IntervalTrigger = { ...everyMinute, every: "5s" };
    const now = new Date(at(1).getTime() + lateMs);
    const lateness = findLateness(compileCalendar(every), [segment(0, 1, { trigger: every })], at(1), now);
    expect(lateness).toBe(is ? "missed" : undefined);
  });
});

describe("something was due", () => {
  test.each<[what: string, segments: Segment[], time: Date, is: boolean]>([
    ["when the first due time came", [segment(0, 9)], at(1), true],
    ["not before that", [segment(0, 9)], at(0, 59), false],
    ["whatever its jitter", [segment(0, 9, { trigger: jittered })], at(1), true],
    ["not behind the end of the version", [{ ...segment(0, 9), until: at(0, 30) }], at(5), false],
    ["not by a disabled version", [disabled(0, 9)], at(5), false],
    ["not by a version without a schedule", [without(0, 9)], at(5), false],
    ["by one of several versions", [disabled(0, 2), segment(2, 9), without(9, 10)], at(3), true],
  ])("%s", (_, segments, time, is) => {
    expect(wasDue(segments, time)).toBe(is);
  });
});

describe("the engine may still start the due time of minute 5 by itself", () => {
  const soonAfter = (ms: number) => new Date(at(4, 1).getTime() + ms);
  test.each<[what: string, runs: DueRun[], now: Date, is: boolean]>([
    ["while a run is going", [open(4)], at(9), true],
    ["not where nothing ran", [], at(5, 1), false],
    ["right after a run has ended", [run(4)], soonAfter(SETTLE_AFTER_MS - 1), true],
    ["not when it had its time after that", [run(4)], soonAfter(SETTLE_AFTER_MS), false],
    ["not after a run that the reconciler made", [run(4, { filled: true })], soonAfter(1), false],
    ["not where it has started a later one", [run(4), run(6)], soonAfter(1), false],
    ["where the last run is its own", [run(5)], at(5, 2), true],
  ])("%s", (_, runs, now, is) => {
    expect(mayStillCome(runs, at(5), now)).toBe(is);
  });
});

describe("a run was going at minute 5", () => {
  test.each<[what: string, run: DueRun, is: boolean]>([
    ["where it is open", open(4), true],
    ["where it ended later", run(4, { finishedAt: at(5, 0, 1) }), true],
    ["not where it ended then", run(4, { finishedAt: at(5) }), false],
    ["not where it ended before", run(4), false],
    ["where it began then, for an earlier due time", open(4, at(5)), true],
    ["not where it began later", open(4, at(5, 0, 1)), false],
    ["not where it is the run of this due time", open(5), false],
    ["not where it is the run of a later due time", open(6, at(4)), false],
  ])("%s", (_, one, is) => {
    expect(wasGoing([run(1), one], at(5))).toBe(is);
  });
});
