/**
 * Plan and preview together: what the engine makes of the plan of a random expression, around clock changes of 2026 and
 * 2027, is what `dueTimes` says; and over ten years, of each other form that a calendar has. A second pass of a repeated hour,
 * which the claim finds to be the first, counts as it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { msToTs, tsToMs } from "@temporalio/common/lib/time";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { dueTimes, firstPass } from "../../src/calendar/due-times.ts";
import { timeZone } from "../../src/calendar/time-zone.ts";
import type { CronTrigger, ScheduleTrigger } from "../../src/calendar/trigger.ts";
import { findTriggerValueFaults } from "../../src/calendar/trigger-faults.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { planSchedule } from "../../src/schedule/plan.ts";
import { encodeSchedule } from "../../src/temporal/schedule-message.ts";
import { createRandom, OTHER_ZONES, randomCron, SEED, WHOLE_HOUR_ZONES } from "../support/cron-samples.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { openTestNamespace } from "../support/workflow.ts";

const ZONES = [...WHOLE_HOUR_ZONES, ...OTHER_ZONES];
const SAMPLES = 300;
const AT_ONCE = 12;
const HOUR_MS = 3_600_000;
const NOW = new Date("2026-06-01T00:00:00Z");
/** The engine answers no more at once. */
const PAGE = 1000;
/** Due times that are asked for at once rather than around each change. */
const FEW = 300;

/** Whose clocks change by an hour, by half of one, by two, at midnight, behind UTC and ahead of it, and four times a year. */
const TEN_ZONES = [
  "Europe/Berlin",
  "America/New_York",
  "America/St_Johns",
  "America/Santiago",
  "America/Havana",
  "Africa/Cairo",
  "Africa/Casablanca",
  "Australia/Lord_Howe",
  "Antarctica/Troll",
  "Pacific/Chatham",
] as const;
/** What one plan knows the clock changes of, and not more. */
const TEN_YEARS: Window = { from: new Date("2024-07-01T00:00:00Z"), until: new Date("2034-07-01T00:00:00Z") };

let temporal: Awaited<ReturnType<typeof openTestNamespace>>;
beforeAll(async () => {
  temporal = await openTestNamespace();
}, ENGINES_TIMEOUT_MS);
afterAll(() => temporal?.close());

interface Window {
  from: Date;
  until: Date;
}
interface Sample {
  trigger: ScheduleTrigger;
  windows: Window[];
}

/** From before one gap to after one repeated hour; only around each of them, where there is much between them. */
function windowsOf(trigger: CronTrigger, random: () => number): Sample["windows"] {
  const changes = timeZone(trigger.timezone ?? "UTC").changes(Date.UTC(2026, 0, 1), Date.UTC(2028, 0, 1));
  const gaps = changes.filter(({ before, after }) => after > before);
  const repeats = changes.filter(({ before, after }) => after < before);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)];
  const picked = [pick(gaps)?.at ?? Date.UTC(2026, 2, 29, 1), pick(repeats)?.at ?? Date.UTC(2026, 9, 25, 1)];
  const windows = picked
    .sort((a, b) => a - b)
    .map((at) => ({ from: new Date(at - 5 * HOUR_MS), until: new Date(at + 20 * HOUR_MS) }));
  const [{ from }, { until }] = windows as [Window, Window];
  let count = 0;
  for (const _ of dueTimes(compileCalendar(trigger), from, until)) if (++count > FEW) return windows;
  return [{ from, until }];
}

function createSamples(): Sample[] {
  const random = createRandom(SEED);
  return Array.from({ length: SAMPLES }, (_, index) => {
    const timezone = ZONES[index % ZONES.length] as string;
    const dst_gap = random() < 0.2 ? "skip" : "run";
    const trigger: CronTrigger = { trigger_type: "cron", cron_expression: randomCron(random), timezone, dst_gap };
    return { trigger, windows: windowsOf(trigger, random) };
  });
}

/** What the engine would start in each window, from a paused schedule of the definition's plan. */
async function askEngine({ trigger, windows }: Sample): Promise<Date[][]> {
  const { namespace, connection } = temporal;
  const service = connection.workflowService;
  const definition = { id: crypto.randomUUID(), name: "sample", enabled: false, trigger_config: trigger };
  const plan = planSchedule(definition as Definition, NOW);
  if (plan === undefined) throw new Error("a trigger with due times has a plan");
  const schedule = encodeSchedule(plan, { paused: true, notes: "" });
  const scheduleId = plan.schedule_id;
  await service.createSchedule({ namespace, scheduleId, schedule, identity: "test", requestId: crypto.randomUUID() });
  try {
    const answers: Date[][] = [];
    for (const { from, until } of windows) {
      const times: Date[] = [];
      const request = { namespace, scheduleId, endTime: msToTs(until.getTime()) };
      for (let after = from.getTime(); ; after = times.at(-1)?.getTime() ?? after) {
        const { startTime } = await service.listScheduleMatchingTimes({ ...request, startTime: msToTs(after) });
        times.push(...startTime.map((time) => new Date(tsToMs(time))));
        if (startTime.length < PAGE) break;
      }
      answers.push(times);
    }
    return answers;
  } finally {
    await service.deleteSchedule({ namespace, scheduleId, identity: "test" });
  }
}

const shown = (times: readonly Date[]) => [...new Set(times.map((time) => time.toISOString()))].sort();

/** Asks the engine about all samples, some at once; answers how many due times were compared. */
async function compareAll(samples: readonly Sample[]): Promise<number> {
  const waiting = [...samples];
  let compared = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let sample = waiting.pop(); sample !== undefined; sample = waiting.pop()) {
        const { trigger, windows } = sample;
        const calendar = compileCalendar(trigger);
        const answers = await askEngine(sample);
        windows.forEach(({ from, until }, index) => {
          const due = [...dueTimes(calendar, from, until)].filter(({ skipped }) => skipped === undefined);
          const label = { seed: SEED, ...trigger, from, until };
          const started = (answers[index] ?? []).map((time) => firstPass(calendar, time));
          expect({ ...label, due: shown(started) }).toEqual({ ...label, due: shown(due.map(({ at }) => at)) });
          compared += due.length;
        });
      }
    }),
  );
  return compared;
}

test(`the engine starts ${SAMPLES} random crons when they are due, around clock changes of ${ZONES.length} zones`, async () => {
  const samples = createSamples();
  expect(samples.length).toBeGreaterThanOrEqual(300);
  // Most of the samples are due near the changes: nothing would be compared otherwise.
  expect(await compareAll(samples)).toBeGreaterThan(5_000);
}, 120_000);

/** The forms, in one zone; random, but near its clock changes. */
const FORMS: Record<string, (random: () => number, timezone: string) => ScheduleTrigger> = {
  "a list of crons": (random, timezone) => ({
    trigger_type: "cron",
    cron_expression: [`${at(random)} * * *`, "30 */12 * * *", `${at(random)} L,15 * SAT`],
    dst_gap: random() < 0.3 ? "skip" : "run",
    timezone,
  }),
  "a cron with a beginning and an end": (random, timezone) => ({
    trigger_type: "cron",
    cron_expression: `${at(random)} * * *`,
    starts_at: changeDay(random, timezone, 0.3),
    ends_at: changeDay(random, timezone, 0.9),
    timezone,
  }),
  "days from the end of the month": (random, timezone) => ({
    trigger_type: "cron",
    cron_expression: `${at(random)} ${pick(random, ["L", "L-3", "1,L", "L,L-28", "L-29"])} * ${pick(random, ["*", "SUN", "MON,FRIL"])}`,
    timezone,
  }),
  "weekdays of the month": (random, timezone) => ({
    trigger_type: "cron",
    cron_expression: `${at(random)} ${pick(random, ["*", "*/2", "1-3", "13"])} * ${pick(random, ["SUNL", "SUN#2,SUN#4", "5#5", "MON,SUN#1", "6L,6#1"])}`,
    timezone,
  }),
  "an anchored interval": (random, timezone) => ({
    trigger_type: "interval",
    every: pick(random, ["7h", "1d", "35h5m"]),
    anchor: changeDay(random, timezone, 0.5),
    starts_at: changeDay(random, timezone, 0.1),
    timezone,
  }),
  "a cron without some dates": (random, timezone) => ({
    trigger_type: "cron",
    cron_expression: [`${at(random)} * * *`, "15 */5 * * *"],
    except: Array.from({ length: 60 }, () => changeDay(random, timezone, random()).slice(0, 10)),
    dst_gap: random() < 0.3 ? "skip" : "run",
    timezone,
  }),
  "a cron of every hour without some dates": (random, timezone) => ({
    trigger_type: "cron",
    cron_expression: pick(random, ["15 * * * *", "0 * * * *"]),
    except: Array.from({ length: 60 }, () => changeDay(random, timezone, random()).slice(0, 10)),
    timezone,
  }),
  "an interval without some dates": (random, timezone) => ({
    trigger_type: "interval",
    every: "5h",
    except: Array.from({ length: 60 }, () => changeDay(random, timezone, random()).slice(0, 10)),
    timezone,
  }),
  "a one-shot by a local time": (random, timezone) => ({
    trigger_type: "scheduled",
    run_at: changeDay(random, timezone, random()),
    timezone,
  }),
};
/** Of each form in each zone; with ACTCORE_TEST_FULL=1 as many as a release is tested with. */
const PER_FORM = process.env.ACTCORE_TEST_FULL === undefined ? 1 : 4;

function pick<T>(random: () => number, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)] as T;
}

/** A minute and an hour in which clocks are often changed. */
function at(random: () => number): string {
  return `${pick(random, ["0", "15", "30", "0,45"])} ${pick(random, ["0", "1", "2", "3", "1,2", "23"])}`;
}

/** About there in the ten years, a local time on a day when clocks change, or the day before or after. */
function changeDay(random: () => number, timezone: string, share: number): string {
  const { from, until } = TEN_YEARS;
  const zone = timeZone(timezone);
  const near = from.getTime() + share * (until.getTime() - from.getTime());
  const change = zone.changes(near, until.getTime())[0] ?? zone.changes(from.getTime(), near).at(-1);
  const day = new Date((change?.at ?? near) + zone.offsetAt(near) + Math.floor(random() * 3 - 1) * 24 * HOUR_MS);
  return `${day.toISOString().slice(0, 10)}T0${Math.floor(random() * 4)}:${pick(random, ["00", "15", "30"])}`;
}

test.each(Object.keys(FORMS))(
  "the engine starts %s when it is due, over ten years in ten zones",
  async (form) => {
    const random = createRandom(SEED);
    const samples = TEN_ZONES.flatMap((timezone) =>
      Array.from({ length: PER_FORM }, (): Sample => {
        const trigger = FORMS[form]?.(random, timezone) as ScheduleTrigger;
        expect(findTriggerValueFaults(trigger, JSON.stringify(trigger))).toEqual([]);
        return { trigger, windows: [TEN_YEARS] };
      }),
    );
    const compared = await compareAll(samples);
    expect(compared).toBeGreaterThanOrEqual(samples.length);
  },
  120_000,
);
