/** When triggers are due, over clock changes above all. */
import { describe, expect, test } from "bun:test";
import { type Calendar, type CronCalendar, compileCalendar, endOf } from "../../src/calendar/calendar.ts";
import { dueTimes, firstPass, gapRuns, nextTimesToRun } from "../../src/calendar/due-times.ts";
import type { ScheduleTrigger } from "../../src/calendar/trigger.ts";

const cron = (cron_expression: string, timezone?: string, dst_gap?: "run" | "skip") =>
  compileCalendar({
    trigger_type: "cron",
    cron_expression,
    ...(timezone !== undefined && { timezone }),
    ...(dst_gap !== undefined && { dst_gap }),
  }) as CronCalendar;
const every = (every: string | number, offset = 0): Calendar =>
  compileCalendar({ trigger_type: "interval", every, offset });
const once = (run_at: string) => compileCalendar({ trigger_type: "scheduled", run_at });
const at = (text: string) => new Date(`${text}Z`);
/** `2026-03-29T01:00`, with the reason where it is not to run. */
const listed = (calendar: Calendar, after: string, until: string) =>
  [...dueTimes(calendar, at(after), at(until))].map(({ at, skipped }) =>
    [at.toISOString().slice(0, 16), ...(skipped ? [skipped] : [])].join(" "),
  );
const shown = (dates: Date[]) => dates.map((date) => date.toISOString().slice(0, 16));

describe("a cron is due", () => {
  test.each<[what: string, calendar: Calendar, after: string, until: string, due: string[]]>([
    [
      "on either day when both are restricted",
      cron("0 9 13 * 5"),
      "2026-11-01T00:00",
      "2026-12-14T00:00",
      ["11-06", "11-13", "11-20", "11-27", "12-04", "12-11", "12-13"].map((day) => `2026-${day}T09:00`),
    ],
    [
      "on both days when one begins with a star",
      cron("0 9 */2 * 5"),
      "2026-11-01T00:00",
      "2026-12-01T00:00",
      ["2026-11-13T09:00", "2026-11-27T09:00"],
    ],
    [
      "by its zone's clock, the end of the range included and its beginning not",
      cron("30 17 * * *", "America/St_Johns"),
      "2026-07-01T20:00",
      "2026-07-03T20:00",
      ["2026-07-02T20:00", "2026-07-03T20:00"],
    ],
    [
      "right after the gap that removes its time",
      cron("30 2 * * *", "Europe/Berlin"),
      "2026-03-28T00:00",
      "2026-03-31T00:00",
      ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
    ],
    [
      "right after the gap of the next year too",
      cron("30 2 * * *", "Europe/Berlin"),
      "2027-03-27T12:00",
      "2027-03-29T12:00",
      ["2027-03-28T01:00", "2027-03-29T00:30"],
    ],
    [
      "in the first pass of a repeated hour only",
      cron("30 2 * * *", "Europe/Berlin"),
      "2026-10-24T12:00",
      "2026-10-26T12:00",
      ["2026-10-25T00:30", "2026-10-26T01:30"],
    ],
    [
      "in the first pass of the next year's repeated hour only",
      cron("30 2 * * *", "Europe/Berlin"),
      "2027-10-30T12:00",
      "2027-11-01T12:00",
      ["2027-10-31T00:30", "2027-11-01T01:30"],
    ],
    [
      "once for several times in one gap",
      cron("0,30 2 * * *", "Europe/Berlin"),
      "2026-03-28T12:00",
      "2026-03-30T12:00",
      ["2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T00:30"],
    ],
    [
      "once where a gap's end is a time of its own",
      cron("0 2,3 * * *", "Europe/Berlin", "skip"),
      "2026-03-28T12:00",
      "2026-03-29T12:00",
      ["2026-03-29T01:00"],
    ],
    [
      "not after a gap that it is to skip, and says so",
      cron("30 2 * * *", "Europe/Berlin", "skip"),
      "2026-03-28T12:00",
      "2026-03-30T12:00",
      ["2026-03-29T01:00 dst_gap", "2026-03-30T00:30"],
    ],
    [
      "as the clock shows, through a repeated hour, when its hour field begins with a star",
      cron("*/30 * * * *", "Europe/Berlin"),
      "2026-10-24T23:30",
      "2026-10-25T02:00",
      ["00:00", "00:30", "01:00", "01:30", "02:00"].map((time) => `2026-10-25T${time}`),
    ],
    [
      "as the clock shows, over a gap, when its hour field begins with a star",
      cron("30 */2 * * *", "Europe/Berlin"),
      "2026-03-28T23:00",
      "2026-03-29T03:00",
      ["2026-03-28T23:30", "2026-03-29T02:30"],
    ],
    [
      "after a gap at midnight, on the day that lost it",
      cron("15 0 * * FRI", "Africa/Cairo"),
      "2026-04-23T00:00",
      "2026-05-01T00:00",
      ["2026-04-23T22:00", "2026-04-30T21:15"],
    ],
    [
      "after a gap of half an hour",
      cron("15 2 * * *", "Australia/Lord_Howe"),
      "2026-10-03T00:00",
      "2026-10-05T00:00",
      ["2026-10-03T15:30", "2026-10-04T15:15"],
    ],
    [
      "once in a repeated half hour",
      cron("45 1 * * *", "Australia/Lord_Howe"),
      "2026-04-04T00:00",
      "2026-04-06T00:00",
      ["2026-04-04T14:45", "2026-04-05T15:15"],
    ],
    [
      "after a gap of two hours, once",
      cron("30 1,2 * * *", "Antarctica/Troll"),
      "2026-03-28T12:00",
      "2026-03-29T12:00",
      ["2026-03-29T01:00"],
    ],
    [
      "as the clock shows, through a repeated hour, when only its minute field begins with a star",
      cron("*/15 1-3 31 10 *", "Europe/Berlin"),
      "2027-10-30T23:30",
      "2027-10-31T02:15",
      ["23:45", "00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "02:00", "02:15"].map((time) =>
        time === "23:45" ? `2027-10-30T${time}` : `2027-10-31T${time}`,
      ),
    ],
    [
      "not at all in a gap, when only its minute field begins with a star",
      cron("*/15 2 28 3 *", "Europe/Berlin"),
      "2027-03-01T00:00",
      "2027-04-01T00:00",
      [],
    ],
    [
      "not on a day that a zone left out: cronie makes up for less than three hours",
      cron("0 9 * * *", "Pacific/Apia"),
      "2011-12-29T00:00",
      "2012-01-01T00:00",
      ["2011-12-29T19:00", "2011-12-30T19:00", "2011-12-31T19:00"],
    ],
    [
      "not after a gap of three hours",
      cron("30 1 * * *", "Antarctica/Casey"),
      "2020-10-02T18:00",
      "2020-10-04T18:00",
      ["2020-10-04T14:30"],
    ],
  ])("%s", (_, trigger, after, until, due) => {
    expect(listed(trigger, after, until)).toEqual(due);
  });

  test("also when it is asked for from the middle of a repeated hour, or from a gap's end", () => {
    const daily = cron("30 2 * * *", "Europe/Berlin");
    expect(listed(daily, "2026-10-25T00:45", "2026-10-25T02:00")).toEqual([]);
    expect(listed(daily, "2026-03-29T00:59:59.999", "2026-03-29T01:00")).toEqual(["2026-03-29T01:00"]);
    expect(listed(daily, "2026-03-29T01:00", "2026-03-29T02:00")).toEqual([]);
  });
});

describe("a list of crons is due", () => {
  const list = (cron_expression: string[], rest: object = {}) =>
    compileCalendar({ trigger_type: "cron", cron_expression, timezone: "Europe/Berlin", ...rest });

  test("when any of them is, in order, and once when several are", () => {
    const twice = list(["0 9,12 * * *", "0 8 * * *", "0 9 1 * *"]);
    const due = ["07:00", "08:00", "11:00"].map((time) => `2026-12-01T${time}`);
    expect(listed(twice, "2026-12-01T00:00", "2026-12-02T00:00")).toEqual(due);
  });

  test("around a clock change as each of them is by itself", () => {
    const both = list(["30 2 * * *", "30 * * * *"]);
    expect(listed(both, "2026-10-24T23:45", "2026-10-25T02:00")).toEqual(["2026-10-25T00:30", "2026-10-25T01:30"]);
    expect(listed(both, "2026-03-29T00:45", "2026-03-29T02:00")).toEqual(["2026-03-29T01:00", "2026-03-29T01:30"]);
    const fixed = list(["30 2 * * *", "30 */5 * * *"]);
    expect(listed(fixed, "2026-10-24T23:45", "2026-10-25T02:00")).toEqual(["2026-10-25T00:30"]);
    expect(shown([firstPass(both, at("2026-10-25T01:30")), firstPass(fixed, at("2026-10-25T01:30"))])).toEqual([
      "2026-10-25T01:30",
      "2026-10-25T00:30",
    ]);
  });

  test("at the end of a gap that one skips, where another runs then", () => {
    const skipping = { dst_gap: "skip" };
    const [from, until] = ["2026-03-29T00:00", "2026-03-29T01:30"];
    expect(listed(list(["30 2 * * *", "0 0 * * *"], skipping), from, until)).toEqual(["2026-03-29T01:00 dst_gap"]);
    expect(listed(list(["30 2 * * *", "0 3 * * *"], skipping), from, until)).toEqual(["2026-03-29T01:00"]);
    expect(listed(list(["0 3 * * *", "30 2 * * *"], skipping), from, until)).toEqual(["2026-03-29T01:00"]);
  });
});

test.each<[what: string, trigger: object]>([
  ["cron", { trigger_type: "cron", cron_expression: "0 * * * *" }],
  ["interval", { trigger_type: "interval", every: "1h" }],
])("a %s is due from its beginning to its end, both included, and not before and after", (_, trigger) => {
  const bounds = { starts_at: "2027-01-01T02:00", ends_at: "2027-01-01T04:00+01:00", timezone: "Europe/Berlin" };
  const calendar = compileCalendar({ ...trigger, ...bounds } as ScheduleTrigger);
  const due = ["2027-01-01T01:00", "2027-01-01T02:00", "2027-01-01T03:00"];
  expect(listed(calendar, "2026-12-01T00:00", "2027-02-01T00:00")).toEqual(due);
  expect(listed(calendar, "2027-01-01T01:00", "2027-01-01T02:00")).toEqual(["2027-01-01T02:00"]);
  expect(shown(nextTimesToRun(calendar, at("2026-01-01T00:00"), 10))).toEqual(due);
  expect(endOf(calendar)).toEqual(at("2027-01-01T03:00"));
});

test.each<[what: string, trigger: object]>([
  ["cron", { trigger_type: "cron", cron_expression: ["30 0,23 * * *", "0 12 * * *"] }],
  ["interval", { trigger_type: "interval", every: "11h30m", anchor: "2026-12-25T00:30" }],
])(
  "what a %s has on a date that it leaves out, by the clocks of its zone, is not to run, and says so",
  (_, trigger) => {
    const calendar = compileCalendar({
      ...trigger,
      timezone: "Europe/Berlin",
      except: ["2026-12-25"],
    } as ScheduleTrigger);
    const due = listed(calendar, "2026-12-24T23:00", "2026-12-25T23:00");
    expect(due).toEqual(["24T23:30", "25T11:00", "25T22:30"].map((time) => `2026-12-${time} excepted`));
    const [next] = nextTimesToRun(calendar, at("2026-12-24T23:00"), 1);
    expect(next && next >= at("2026-12-25T23:00")).toBe(true);
  },
);

describe("an interval is due", () => {
  test("at its anchor, and by whole multiples before and after it", () => {
    const anchored = compileCalendar({
      trigger_type: "interval",
      every: "7d",
      anchor: "2026-11-02T09:00",
      timezone: "Europe/Berlin",
    });
    expect(listed(anchored, "2026-10-20T00:00", "2026-11-20T00:00")).toEqual(
      ["10-26", "11-02", "11-09", "11-16"].map((day) => `2026-${day}T08:00`),
    );
    const early = compileCalendar({ trigger_type: "interval", every: "90m", anchor: "2001-01-01T00:00:10Z" });
    expect(early).toMatchObject({ offsetMs: Date.UTC(2001, 0, 1, 0, 0, 10) % 5_400_000 });
  });

  test("by the epoch, shifted by its offset", () => {
    const every90 = every("90m", 30);
    const due = ["2026-01-01T01:30", "2026-01-01T03:00", "2026-01-01T04:30"];
    expect(listed(every90, "2026-01-01T00:00:30", "2026-01-01T04:30:30")).toEqual(due);
    for (const due of dueTimes(every90, at("2026-01-01T00:00"), at("2026-01-02T00:00")))
      expect((due.at.getTime() / 1000 - 30) % 5400).toBe(0);
  });

  test("before its offset's first turn as well", () => {
    const due = [...dueTimes(every(10, 4), new Date(-7_000), new Date(14_000))].map(({ at }) => at.getTime());
    expect(due).toEqual([-6_000, 4_000, 14_000]);
  });
});

test("a one-shot is due once, at its time", () => {
  const evening = once("2026-12-24T19:00:00+01:00");
  expect(listed(evening, "2026-12-24T17:59:59", "2026-12-24T18:00")).toEqual(["2026-12-24T18:00"]);
  expect(listed(evening, "2026-12-24T18:00", "2030-01-01T00:00")).toEqual([]);
  expect(nextTimesToRun(evening, at("2026-01-01T00:00"), 5)).toHaveLength(1);
});

describe("the next due times", () => {
  test("are those that run, and no more than asked for", () => {
    const daily = cron("30 2 * * *", "Europe/Berlin", "skip");
    expect(shown(nextTimesToRun(daily, at("2026-03-28T12:00"), 2))).toEqual(["2026-03-30T00:30", "2026-03-31T00:30"]);
    expect(nextTimesToRun(daily, at("2026-03-28T12:00"), 0)).toEqual([]);
  });

  test("of the rarest expression are found, as far as a century", () => {
    const leap = nextTimesToRun(cron("0 0 29 2 */7", "America/New_York"), at("2026-01-01T00:00"), 1000);
    expect(shown(leap).slice(0, 3)).toEqual(["2032-02-29T05:00", "2060-02-29T05:00", "2088-02-29T05:00"]);
    expect(leap).toHaveLength(3);
  });

  test("are read lazily", () => {
    const started = performance.now();
    const [first] = dueTimes(cron("* * * * *", "Europe/Berlin"), at("2026-01-01T00:00"), at("9999-01-01T00:00"));
    expect(first?.at).toEqual(at("2026-01-01T00:01"));
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("a repeated hour's second pass", () => {
  const [first, second] = [at("2026-10-25T00:30"), at("2026-10-25T01:30")];

  test("is its first one's occurrence, for a cron that is no wildcard job", () => {
    const daily = cron("30 2 * * *", "Europe/Berlin");
    expect([firstPass(daily, first), firstPass(daily, second)]).toEqual([first, first]);
    expect(firstPass(daily, at("2026-10-25T02:00"))).toEqual(at("2026-10-25T02:00"));
    expect(firstPass(daily, at("2026-03-29T01:30"))).toEqual(at("2026-03-29T01:30"));
    expect(firstPass(cron("45 1 * * *", "Australia/Lord_Howe"), at("2026-04-04T15:15"))).toEqual(
      at("2026-04-04T14:45"),
    );
  });

  test("is its own occurrence for every other trigger", () => {
    const calendars = [
      cron("30 * * * *", "Europe/Berlin"),
      cron("30 2 * * *"),
      every("1h"),
      once("2026-10-25T01:30:00Z"),
    ];
    for (const calendar of calendars) expect(firstPass(calendar, second)).toEqual(second);
  });
});

test("the runs after a gap that the fields do not name are listed for the plan", () => {
  const gaps = (calendar: CronCalendar) => shown(gapRuns(calendar, at("2026-01-01T00:00"), at("2029-01-01T00:00")));
  expect(gaps(cron("30 2 * * *", "Europe/Berlin"))).toEqual([
    "2026-03-29T01:00",
    "2027-03-28T01:00",
    "2028-03-26T01:00",
  ]);
  expect(gaps(cron("30 2 * * 1-6", "Europe/Berlin"))).toEqual([]);
  expect(gaps(cron("0 2,3 * * *", "Europe/Berlin"))).toEqual([]);
  expect(gaps(cron("30 2 * * *", "Europe/Berlin", "skip"))).toEqual([]);
  expect(gaps(cron("30 * * * *", "Europe/Berlin"))).toEqual([]);
  expect(gaps(cron("30 2 * * *"))).toEqual([]);
});
