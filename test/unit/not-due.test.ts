/** Why an instant is no due time, and which due time came before it. */
import { describe, expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { dueTimes } from "../../src/calendar/due-times.ts";
import { findNotDue } from "../../src/calendar/not-due.ts";
import { previousDueTime } from "../../src/calendar/previous-due-time.ts";
import type { ScheduleTrigger } from "../../src/calendar/trigger.ts";

const cron = (cron_expression: string | string[], rest: object = {}): ScheduleTrigger => ({
  trigger_type: "cron",
  cron_expression,
  timezone: "Europe/Berlin",
  ...rest,
});
const weekdays = cron("30 9 * * MON-FRI");

test.each<[string, ScheduleTrigger, string, string, string]>([
  ["another minute", weekdays, "2026-01-30T08:31:00Z", "minute", "its minute field does not name minute 31"],
  ["another hour", weekdays, "2026-01-30T09:30:00Z", "hour", "its hour field does not name 10 o'clock"],
  ["another day", weekdays, "2026-01-31T08:30:00Z", "day", "its day fields do not name Saturday 31 January"],
  ["another month", cron("0 9 1 2 *"), "2026-01-01T08:00:00Z", "month", "its month field does not name January"],
  ["seconds", weekdays, "2026-01-30T08:30:01Z", "second", "a cron expression is due at whole minutes only"],
  [
    "no time of a list",
    cron(["0 9 * * *", "0 10 * * *"]),
    "2026-01-30T08:30:00Z",
    "expressions",
    "none of its 2 cron expressions names that time",
  ],
  [
    "a time before the beginning",
    cron("0 9 * * *", { starts_at: "2026-02-01T00:00" }),
    "2026-01-30T08:00:00Z",
    "starts_at",
    "it begins at 2026-02-01T00:00:00+01:00 (starts_at)",
  ],
  [
    "a time after the end",
    cron("0 9 * * *", { ends_at: "2026-01-01T00:00" }),
    "2026-01-30T08:00:00Z",
    "ends_at",
    "it ended at 2026-01-01T00:00:00+01:00 (ends_at)",
  ],
  [
    "the second pass of a repeated hour",
    cron("30 2 * * *"),
    "2026-10-25T01:30:00Z",
    "repeated_hour",
    "clocks showed that time twice, and a cron with a fixed minute and hour is due the first time only",
  ],
  [
    "the hour behind a gap",
    cron("30 2 * * *"),
    "2026-03-29T01:30:00Z",
    "hour",
    "its hour field does not name 3 o'clock; clocks were put forward at 2026-03-29T03:00:00+02:00, and what that removed is due at that moment",
  ],
  [
    "a time of a one-shot",
    { trigger_type: "scheduled", run_at: "2026-01-30T09:00:00Z" },
    "2026-01-30T09:00:01Z",
    "run_at",
    "it is due once, at 2026-01-30T09:00:00+00:00",
  ],
  [
    "a time of an interval",
    { trigger_type: "interval", every: "1h" },
    "2026-01-30T09:30:00Z",
    "every",
    "it lies between two times of its interval",
  ],
])("%s is told by what leaves it out", (_, trigger, at, field, words) => {
  expect(findNotDue(compileCalendar(trigger), new Date(at))).toMatchObject({ field, words });
});

test.each(["2026-01-30T08:30:00Z", "2026-02-02T08:30:00Z"])("the due time %s is none that is left out", (at) => {
  expect(findNotDue(compileCalendar(weekdays), new Date(at))).toBeUndefined();
});

describe("the due time before an instant", () => {
  const EPOCH = new Date(0);

  test.each<[string, ScheduleTrigger]>([
    ["every minute", cron("* * * * *")],
    ["each weekday", weekdays],
    ["a leap day", cron("0 9 29 2 *")],
    ["the last Friday of a month", cron("0 9 * * FRIL")],
    ["a time that a gap removes", cron("30 2 * * *", { dst_gap: "skip" })],
    ["hours of one month", cron("*/7 * * 1 *")],
    ["an interval", { trigger_type: "interval", every: "90s", offset: "7s" }],
    ["an interval with an end", { trigger_type: "interval", every: "1h", ends_at: "2025-12-31T12:00:00Z" }],
    ["a cron with an end", cron("*/5 * * * *", { ends_at: "2025-11-30T12:00:00Z" })],
    ["a one-shot", { trigger_type: "scheduled", run_at: "2025-01-30T09:00:00Z" }],
  ])("of %s is the last one that is found by going forward", (_, trigger) => {
    const calendar = compileCalendar(trigger);
    for (const day of [1, 5, 30, 60, 88, 89, 200, 300, 365]) {
      const until = new Date(Date.UTC(2026, 0, day, 1, 23, 45));
      // Going forward from the leap day before the last one.
      let last: Date | undefined;
      for (const { at } of dueTimes(calendar, new Date(Date.UTC(2024, 1, 1)), until)) last = at;
      expect(previousDueTime(calendar, EPOCH, until)?.at).toEqual(last as Date);
    }
  });

  test("is none before the beginning, and none before the time from which it is looked for", () => {
    const calendar = compileCalendar(cron("0 9 * * *", { starts_at: "2026-02-01T00:00" }));
    expect(previousDueTime(calendar, EPOCH, new Date("2026-02-01T07:00:00Z"))).toBeUndefined();
    const from = new Date("2026-02-03T08:00:00Z");
    expect(previousDueTime(calendar, from, new Date("2026-02-04T07:00:00Z"))).toBeUndefined();
  });
});
