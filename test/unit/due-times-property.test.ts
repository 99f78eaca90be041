/** Due times of random expressions, against two models that know nothing of how they are computed. */
import { describe, expect, test } from "bun:test";
import { Cron } from "croner";
import { type CronFields, parseCron } from "../../src/definition/cron-expression.ts";
import type { CronTrigger } from "../../src/definition/schema.ts";
import { dueTimes, firstPass } from "../../src/trigger/schedule/due-times.ts";
import { createRandom, OTHER_ZONES, randomCron, SEED, WHOLE_HOUR_ZONES } from "../support/cron-samples.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const SAMPLES_PER_ZONE = 40;

interface Minute {
  instant: number;
  /** What clocks show, as milliseconds. */
  wall: number;
}

/** The minutes from a day before each clock change of 2026 and 2027 to a day after it, as Intl shows them. */
function minutesAroundChanges(timezone: string): Minute[][] {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, dateStyle: "short", timeStyle: "short" });
  const wallOf = (instant: number) => Date.parse(`${format.format(instant).replace(" ", "T")}:00Z`);
  const hours = { from: Date.UTC(2026, 0, 1), to: Date.UTC(2028, 0, 1), step: 12 * 3_600_000 };
  const windows: Minute[][] = [];
  for (let at = hours.from; at < hours.to; at += hours.step) {
    if (wallOf(at + hours.step) - wallOf(at) === hours.step) continue;
    const window: Minute[] = [];
    for (let instant = at - DAY_MS; instant < at + 2 * DAY_MS; instant += MINUTE_MS)
      window.push({ instant, wall: wallOf(instant) });
    windows.push(window);
  }
  return windows;
}

function isMatch({ minutes, hours, days, months, weekdays, either }: CronFields, wall: number): boolean {
  const date = new Date(wall);
  const [isDay, isWeekday] = [days.includes(date.getUTCDate()), weekdays.includes(date.getUTCDay())];
  return (
    minutes.includes(date.getUTCMinutes()) &&
    hours.includes(date.getUTCHours()) &&
    months.includes(date.getUTCMonth() + 1) &&
    (either ? isDay || isWeekday : isDay && isWeekday)
  );
}

/** Minute by minute: what a daemon would do that looks at the clock. */
function dueMinutes(fields: CronFields, window: readonly Minute[]): number[] {
  const due: number[] = [];
  let shown = (window[0]?.wall ?? 0) - MINUTE_MS;
  for (const { instant, wall } of window) {
    const seen = wall <= shown;
    if (!fields.fixedHours || !seen) {
      let isDue = isMatch(fields, wall);
      if (fields.fixedHours)
        for (let missed = shown + MINUTE_MS; missed < wall; missed += MINUTE_MS) isDue ||= isMatch(fields, missed);
      if (isDue) due.push(instant);
    }
    shown = Math.max(shown, wall);
  }
  return due;
}

const zones = [...WHOLE_HOUR_ZONES, ...OTHER_ZONES];
test.each(zones)("around the clock changes of %s, random expressions are due as a clock's watcher says", (timezone) => {
  const random = createRandom(SEED + zones.indexOf(timezone));
  const windows = minutesAroundChanges(timezone);
  expect(windows.length > 0).toBe(!["UTC", "Asia/Kathmandu"].includes(timezone));
  for (let sample = 0; sample < SAMPLES_PER_ZONE; sample++) {
    const cron_expression = randomCron(random);
    const trigger: CronTrigger = { trigger_type: "cron", cron_expression, timezone };
    const fields = parseCron(cron_expression);
    for (const window of windows) {
      const [first, last] = [window[0]?.instant ?? 0, window.at(-1)?.instant ?? 0];
      const due = [...dueTimes(trigger, new Date(first - 1), new Date(last))].map(({ at }) => at.getTime());
      const label = { seed: SEED, cron_expression, timezone };
      expect({ ...label, due }).toEqual({ ...label, due: dueMinutes(fields, window) });
      for (const time of due) expect(firstPass(trigger, new Date(time)).getTime()).toBe(time);
    }
  }
});

describe("away from clock changes", () => {
  test("random expressions are due as croner says", () => {
    const random = createRandom(SEED);
    const from = new Date("2026-05-30T13:07:00Z");
    for (let sample = 0; sample < 500; sample++) {
      const cron_expression = randomCron(random);
      const { either } = parseCron(cron_expression);
      const croner = new Cron(cron_expression, { timezone: "UTC", mode: "5-part", domAndDow: !either });
      const expected = croner.nextRuns(20, from).map((date) => date.toISOString());
      const due: string[] = [];
      for (const { at } of dueTimes({ trigger_type: "cron", cron_expression }, from, new Date("2060-01-01T00:00Z"))) {
        due.push(at.toISOString());
        if (due.length === 20) break;
      }
      expect({ seed: SEED, cron_expression, due }).toEqual({ seed: SEED, cron_expression, due: expected });
    }
  });
});
