import { describe, expect, test } from "bun:test";
import type { Range } from "../../src/calendar/cron-expression.ts";
import type { ScheduleTrigger } from "../../src/calendar/trigger.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { toRanges } from "../../src/schedule/calendar-spec.ts";
import { hashPlan, planSchedule, type SchedulePlan } from "../../src/schedule/plan.ts";

const NOW = new Date("2026-11-21T00:00:00Z");
const definition: Definition = {
  id: "0b0b0b0b-0000-7000-8000-000000000000",
  name: "heartbeat",
  enabled: true,
  trigger_type: "cron",
  trigger_config: { trigger_type: "cron", cron_expression: "0 9 13 * 5", timezone: "Europe/Berlin", jitter: "10s" },
  context_sources: [],
  task_templates: [],
  dedupe_key_strategy: "event_id",
  enabled_override: null,
  version: 3,
  source: "rest",
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-01T00:00:00.000Z",
  retired_at: null,
};
const withTrigger = (trigger: ScheduleTrigger): Definition => ({
  ...definition,
  trigger_type: trigger.trigger_type,
  trigger_config: trigger,
});
const planOf = (trigger: ScheduleTrigger, now = NOW) => planSchedule(withTrigger(trigger), now) as SchedulePlan;
const cron = (cron_expression: string, timezone = "UTC") =>
  ({ trigger_type: "cron", cron_expression, timezone }) as const;
const only = (value: number): Range[] => [{ start: value, end: value, step: 1 }];
const expand = (ranges: readonly Range[]) =>
  ranges.flatMap(({ start, end, step }) =>
    Array.from({ length: (end - start) / step + 1 }, (_, n) => start + n * step),
  );
/** `2027-03-28T01:00`: the intervals that are as long as a life. */
const instantsOf = ({ intervals }: SchedulePlan) =>
  intervals.map(({ every_ms, offset_ms }) => new Date(every_ms + offset_ms).toISOString().slice(0, 16));
/** `2027-03-28 03:00`, as clocks of the zone show it. */
const datesOf = ({ calendars }: SchedulePlan) =>
  calendars
    .filter(({ years }) => years !== undefined)
    .map(({ years, months, days, hours, minutes }) => {
      const [year, ...rest] = [years, months, days, hours, minutes].map((ranges) => ranges?.[0]?.start);
      const [month, day, hour, minute] = rest.map((value) => String(value).padStart(2, "0"));
      return `${year}-${month}-${day} ${hour}:${minute}`;
    });

test("a cron definition has a schedule under its own id, and crontab's OR of the two days is two calendars", () => {
  const times = { months: [{ start: 1, end: 12, step: 1 }], hours: only(9), minutes: only(0), seconds: only(0) };
  expect(planSchedule(definition, NOW)).toEqual({
    schedule_id: `activity-schedule-${definition.id}`,
    activity_id: definition.id,
    activity_name: "heartbeat",
    timezone: "Europe/Berlin",
    calendars: [
      { ...times, days: only(13), weekdays: [{ start: 0, end: 6, step: 1 }] },
      { ...times, days: [{ start: 1, end: 31, step: 1 }], weekdays: only(5) },
    ],
    excluded: [],
    intervals: [],
    jitter_ms: 10_000,
    overlap: "skip",
    catchup_window_ms: 10_000,
    paused: false,
  });
});

test.each<[expression: string, days: number[], weekdays: number[]]>([
  ["0 9 */10 * 5", [1, 11, 21, 31], [5]],
  ["0 9 13 * *", [13], [0, 1, 2, 3, 4, 5, 6]],
  ["0 9 * * MON-FRI", Array.from({ length: 31 }, (_, n) => n + 1), [1, 2, 3, 4, 5]],
])("%j is one calendar, whose days must both match", (expression, days, weekdays) => {
  const [calendar, ...others] = planOf(cron(expression)).calendars;
  expect(others).toEqual([]);
  expect([expand(calendar?.days ?? []), expand(calendar?.weekdays ?? [])]).toEqual([days, weekdays]);
});

test.each<[numbers: number[], ranges: [start: number, end: number, step: number][]]>([
  [[], []],
  [[7], [[7, 7, 1]]],
  [[0, 15, 30, 45], [[0, 45, 15]]],
  [[1, 2], [[1, 2, 1]]],
  [
    [1, 9],
    [
      [1, 1, 1],
      [9, 9, 1],
    ],
  ],
  [
    [0, 1, 2, 10, 20, 30],
    [
      [0, 2, 1],
      [10, 30, 10],
    ],
  ],
])("%j is few ranges", (numbers, ranges) => {
  expect(toRanges(numbers)).toEqual(ranges.map(([start, end, step]) => ({ start, end, step })));
});

test("ranges are exactly the numbers that they are made of, for a thousand random sets", () => {
  for (let round = 0; round < 1000; round++) {
    const numbers = Array.from({ length: 60 }, (_, n) => n).filter(() => Math.random() < 0.4);
    expect(expand(toRanges(numbers))).toEqual(numbers);
  }
});

describe("the end of a clock's gap", () => {
  const gapsOf = (plan: SchedulePlan) => instantsOf(plan).filter((text) => text.slice(5, 7) === "03");

  test("is told by date, where a fixed time falls into the gap", () => {
    const instants = gapsOf(planOf(cron("30 2 * * *", "Europe/Berlin")));
    expect(instants).toHaveLength(11);
    expect(instants).toContain("2027-03-28T01:00");
    expect([instants[0], instants.at(-1)]).toEqual(["2024-03-31T01:00", "2034-03-26T01:00"]);
  });

  test.each<[what: string, trigger: ScheduleTrigger]>([
    ["a time outside the gap", cron("30 3 * * *", "Europe/Berlin")],
    ["every hour", cron("30 * * * *", "Europe/Berlin")],
    ["UTC", cron("30 2 * * *")],
    ["dst_gap: skip", { ...cron("30 2 * * *", "Europe/Berlin"), dst_gap: "skip" }],
  ])("is none for %s", (_, trigger) => {
    expect(gapsOf(planOf(trigger))).toEqual([]);
  });

  test("is planned for at least five years, and the plan moves only every five years", () => {
    const trigger = cron("30 2 * * *", "Europe/Berlin");
    const hashAt = (now: string) => hashPlan(planOf(trigger, new Date(now)));
    expect(hashAt("2025-01-01T00:00:00Z")).toBe(hashAt("2029-12-31T23:59:59Z"));
    expect(hashAt("2030-01-01T00:00:00Z")).not.toBe(hashAt("2029-12-31T23:59:59Z"));
    const last = gapsOf(planOf(trigger, new Date("2029-12-31T23:59:59Z"))).at(-1);
    expect(last).toStartWith("2034-03");
  });
});

describe("a repeated hour, which the engine reads wrong", () => {
  test("is told time by time, and what is not due then is excluded", () => {
    const plan = planOf(cron("30 1,2 * * *", "Europe/Berlin"));
    const instants = instantsOf(plan).filter((text) => text.startsWith("2026-10"));
    expect(instants).toEqual(["2026-10-25T00:30"]);
    const excluded = plan.excluded.filter(({ years }) => years?.[0]?.start === 2026);
    expect(excluded.map(({ hours, minutes }) => [expand(hours), expand(minutes).length])).toEqual([
      [[1, 2], 59],
      [[3], 60],
    ]);
  });

  test("is of no account to a time of the day, nor to a cron of every hour, which is told in UTC", () => {
    expect(planOf(cron("30 9 * * *", "Europe/Berlin"))).toMatchObject({ excluded: [], intervals: [] });
    const hourly = planOf(cron("5,20 * * * *", "Australia/Adelaide"));
    expect(hourly).toMatchObject({ timezone: "UTC", excluded: [], intervals: [] });
    expect(hourly.calendars.map(({ minutes }) => expand(minutes))).toEqual([[35, 50]]);
    expect(planOf(cron("5 * * * *", "Australia/Lord_Howe")).timezone).toBe("Australia/Lord_Howe");
    expect(planOf(cron("5 0-23 * * *", "Europe/Berlin")).timezone).toBe("Europe/Berlin");
  });
});

test("a day whose midnight a gap removes is told by date, whatever its weekday", () => {
  const dates = (expression: string) => datesOf(planOf(cron(expression, "America/Santiago")));
  expect(dates("0 9 * * SUN")).toContain("2026-09-06 09:00");
  expect(dates("0 9 * * *")).toEqual([]);
  const saturdays = planOf(cron("0 9 * * SAT", "America/Santiago"));
  const excluded = saturdays.excluded.filter(
    ({ years, months }) => years?.[0]?.start === 2026 && months[0]?.start === 9,
  );
  expect(excluded.flatMap(({ days, hours }) => [expand(days), expand(hours).length])).toEqual([[6], 23]);
});

test("an interval is counted in milliseconds, with its offset", () => {
  const plan = planOf({ trigger_type: "interval", every: "90s", offset: 5 });
  expect(plan).toMatchObject({ calendars: [], intervals: [{ every_ms: 90_000, offset_ms: 5000 }] });
});

test("a one-shot is one second in UTC, once, and the engine starts it however late", () => {
  const plan = planOf({ trigger_type: "scheduled", run_at: "2026-12-24T18:00:30+01:00" });
  expect(plan).toMatchObject({ timezone: "UTC", remaining_actions: 1, overlap: "skip" });
  expect(plan.catchup_window_ms).toBe(365 * 86_400_000);
  expect(datesOf(plan)).toEqual(["2026-12-24 17:00"]);
  expect(plan.calendars[0]?.seconds).toEqual(only(30));
});

test.each<[policy: Partial<ScheduleTrigger>, overlap: string, window: number]>([
  [{}, "skip", 10_000],
  [{ misfire_policy: "skip", catchup_window: "1h" }, "skip", 10_000],
  [{ misfire_policy: "catchup" }, "buffer_all", 86_400_000],
  [{ misfire_policy: "catchup", catchup_window: "2h" }, "buffer_all", 7_200_000],
  [{ misfire_policy: "catchup", catchup_window: "1s" }, "buffer_all", 10_000],
  [{ misfire_policy: "compress", catchup_window: "1h" }, "buffer_one", 10_000],
])("the misfire policy %j is %s with a window of %d ms", (policy, overlap, catchup_window_ms) => {
  const plan = planOf({ ...cron("* * * * *"), ...policy } as ScheduleTrigger);
  expect(plan).toMatchObject({ overlap, catchup_window_ms });
});

test("where the definition says how many runs go at a time, every due time is started, unless they are compressed", () => {
  const overlapOf = (misfire_policy: "skip" | "catchup" | "compress") => {
    const definition = { ...withTrigger({ ...cron("* * * * *"), misfire_policy }), flow: { max_concurrent_runs: 1 } };
    return planSchedule(definition, NOW)?.overlap;
  };
  expect([overlapOf("skip"), overlapOf("catchup"), overlapOf("compress")]).toEqual([
    "allow_all",
    "allow_all",
    "buffer_one",
  ]);
});

test("a disabled definition's schedule is paused", () => {
  expect(planSchedule({ ...definition, enabled: false }, NOW)?.paused).toBe(true);
});

test("an event definition has none", () => {
  const trigger_config = { trigger_type: "event", event_type: "x" } as const;
  expect(planSchedule({ ...definition, trigger_type: "event", trigger_config }, NOW)).toBeUndefined();
});

test("a one-shot that is accounted for has none, until it is given a later time", () => {
  const oneShot = withTrigger({ trigger_type: "scheduled", run_at: "2026-11-20T00:00:00Z" });
  const doneAt = new Date("2026-11-20T00:00:01Z");
  expect(planSchedule(oneShot, NOW, doneAt)).toBeUndefined();
  const later = withTrigger({ trigger_type: "scheduled", run_at: "2026-11-22T00:00:00Z" });
  expect(planSchedule(later, NOW, doneAt)).toEqual(planSchedule(later, NOW));
  expect(planSchedule(oneShot, NOW, new Date("2026-11-20T00:00:00Z"))).toBeUndefined();
});

describe("the hash of a plan", () => {
  const plan = planSchedule(definition, NOW) as SchedulePlan;

  test("stays over versions and tasks, and from one release to the next", () => {
    const task = { key: "t", type: "log", params: { message: "hi" } } as const;
    const changed = { ...definition, version: 4, updated_at: "2029-01-01T00:00:00.000Z", task_templates: [task] };
    expect(hashPlan(planSchedule(changed, NOW) as SchedulePlan)).toBe(hashPlan(plan));
    expect(hashPlan(plan)).toBe("00d8faea78291e3b4c797bc2f256a882b219f63d7afc6f098746824c44809773");
  });

  test.each<[trigger: ScheduleTrigger, hash: string]>([
    [
      { trigger_type: "cron", cron_expression: "30 2 * * *", timezone: "Europe/Berlin" },
      "25070c12131a0633d918ac501037657cfa9ef373a346208964ff08d16617183d",
    ],
    [
      { trigger_type: "cron", cron_expression: "30 2 * * *", timezone: "Europe/Berlin", dst_gap: "skip" },
      "baa1815bfba47484b0c48c535b8d49b731e37342f5c4e2799c7b217cb500dea4",
    ],
    [
      { trigger_type: "cron", cron_expression: "*/15 1-3 13 * 5", timezone: "Australia/Lord_Howe" },
      "d0abd3c827436e09ce01154035cb3dc67db3094b0b97a80d97973aafa8334f29",
    ],
    [
      { trigger_type: "cron", cron_expression: "0 9 * * SAT", timezone: "America/Santiago" },
      "97553d0704e2d3b7adb5c4c07a433445423243abe313d243ed683435a36b4bcf",
    ],
    [
      { trigger_type: "cron", cron_expression: "0 9 * * SUN", timezone: "America/Santiago" },
      "b61491100be3158d4f529aba2ac81402ea1bed612ce0b6cc5ffe94d50a6fae4a",
    ],
    [
      { trigger_type: "cron", cron_expression: "5,20 * * * *", timezone: "Australia/Adelaide" },
      "cdeac9de8fa10329c9b622feb48ad30160a0219bacdc117e4f8b7f0ddccb8c95",
    ],
    [
      { trigger_type: "cron", cron_expression: "*/5 * * * *" },
      "c701920f7a0eb74947dfc79b9656f3be4fdbcafb976366eb3a4c510686e8bec6",
    ],
    [
      { trigger_type: "interval", every: "90s", offset: 5, misfire_policy: "compress" },
      "40a1b8d2126f7a76d2addd0786992ac76fff9279d5abad2b037c88a92b6fdc8b",
    ],
    [
      { trigger_type: "scheduled", run_at: "2026-12-24T18:00:30+01:00" },
      "ef58ad90189ebb86666f4adc3825562405f407310e0680a1c3af5da5846c5385",
    ],
  ])("of %j is the one that earlier releases made", (trigger, hash) => {
    expect(hashPlan(planOf(trigger))).toBe(hash);
  });

  test("stays when only the pause moves, of which the engine is told apart", () => {
    expect(hashPlan({ ...plan, paused: true })).toBe(hashPlan(plan));
  });

  test.each<[what: string, change: Partial<Definition>]>([
    ["name", { name: "other" }],
    ["expression", { trigger_config: cron("0 9 * * *", "Europe/Berlin") }],
    ["zone", { trigger_config: cron("0 9 13 * 5") }],
    ["policy", { trigger_config: { ...cron("0 9 13 * 5", "Europe/Berlin"), jitter: 10, misfire_policy: "catchup" } }],
  ])("moves with its %s", (_, change) => {
    expect(hashPlan(planSchedule({ ...definition, ...change }, NOW) as SchedulePlan)).not.toBe(hashPlan(plan));
  });
});
