/** Due times of random expressions, against cronie's rules and against croner. */
import { describe, expect, test } from "bun:test";
import { Cron } from "croner";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { parseCron } from "../../src/calendar/cron-expression.ts";
import { dueTimes, firstPass } from "../../src/calendar/due-times.ts";
import {
  createRandom,
  MOVED_ZONES,
  OTHER_ZONES,
  randomCountedCron,
  randomCron,
  SEED,
  WHOLE_HOUR_ZONES,
} from "../support/cron-samples.ts";
import { type ClockMinute, loadEntry, runCronie } from "../support/cronie.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** No change has an effect for longer than the three hours that it moves the clock by at the most. */
const MARGIN_MS = 4 * HOUR_MS;
const SAMPLES_PER_ZONE = 15;
/** The last ten years of changes, and as many of those to come as the plans know. */
const [FIRST_YEAR, LAST_YEAR] = [2016, 2030];

/** One of each kind: wildcard by the minute, by the hour, by both; neither; several times in one gap; whole hours of minutes. */
const KINDS = [
  "*/15 1-3 * * *",
  "*/15 2 * * *",
  "*,5 0,2 * * SUN",
  "30 * * * *",
  "30 */2 * * *",
  "* * * * *",
  "30 2 * * *",
  "59 2 * * *",
  "15 0 * * *",
  "0,30 0-3 * * *",
  "0 2,3 * * *",
  "0-59 1-2 * * *",
  "0 0 1 * SUN",
  "5 1 * * SAT,SUN",
  "0-59/20 0-23 * * *",
];

/** The minutes from four hours before each clock change to four hours after it, as Intl shows them. */
function minutesAroundChanges(timezone: string): ClockMinute[][] {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, dateStyle: "short", timeStyle: "short" });
  const wallOf = (instant: number) => Date.parse(`${format.format(instant).replace(" ", "T")}:00Z`);
  const offsetAt = (instant: number) => wallOf(instant) - instant;
  const windows: ClockMinute[][] = [];
  for (let at = Date.UTC(FIRST_YEAR, 0, 1); at < Date.UTC(LAST_YEAR + 1, 0, 1); at += DAY_MS) {
    const offset = offsetAt(at);
    let change = at + DAY_MS;
    if (offset === offsetAt(change)) continue;
    for (let before = at; change - before > MINUTE_MS; ) {
      const middle = Math.floor((before + change) / 2 / MINUTE_MS) * MINUTE_MS;
      if (offsetAt(middle) === offset) before = middle;
      else change = middle;
    }
    const window: ClockMinute[] = [];
    for (let instant = change - MARGIN_MS; instant < change + MARGIN_MS; instant += MINUTE_MS)
      window.push({ instant, clockTime: wallOf(instant) / MINUTE_MS });
    windows.push(window);
  }
  return windows;
}

const zones = [...WHOLE_HOUR_ZONES, ...OTHER_ZONES, ...MOVED_ZONES];
test.each(zones)(
  "around the clock changes of %s, crons are due in the minutes in which cronie starts them",
  (timezone) => {
    const random = createRandom(SEED + zones.indexOf(timezone));
    const windows = minutesAroundChanges(timezone);
    expect(windows.length > 0).toBe(!["UTC", "Asia/Kathmandu"].includes(timezone));
    const expressions = [...KINDS, ...Array.from({ length: SAMPLES_PER_ZONE }, () => randomCron(random))];
    const differences: unknown[] = [];
    for (const cron_expression of expressions) {
      const calendar = compileCalendar({ trigger_type: "cron", cron_expression, timezone });
      const entry = loadEntry(cron_expression);
      for (const window of windows) {
        const [first, last] = [window[0]?.instant ?? 0, window.at(-1)?.instant ?? 0];
        const due = [...dueTimes(calendar, new Date(first - 1), new Date(last))].map(({ at }) => at);
        const started = [...runCronie(entry, window).keys()].map((instant) => new Date(instant));
        if (due.join() !== started.join()) differences.push({ seed: SEED, cron_expression, due, started });
        const repeated = due.filter((at) => firstPass(calendar, at).getTime() !== at.getTime());
        if (repeated.length > 0) differences.push({ seed: SEED, cron_expression, repeated });
      }
    }
    expect(differences).toEqual([]);
  },
);

test.each(zones)(
  "around the clock changes of %s, a list of crons is due when cronie starts one of its lines",
  (timezone) => {
    const random = createRandom(SEED - zones.indexOf(timezone));
    const windows = minutesAroundChanges(timezone);
    const differences: unknown[] = [];
    for (let sample = 0; sample < SAMPLES_PER_ZONE; sample++) {
      const cron_expression = Array.from({ length: 2 + Math.floor(random() * 3) }, () => randomCron(random));
      const calendar = compileCalendar({ trigger_type: "cron", cron_expression, timezone });
      const entries = cron_expression.map(loadEntry);
      for (const window of windows) {
        const [first, last] = [window[0]?.instant ?? 0, window.at(-1)?.instant ?? 0];
        const due = [...dueTimes(calendar, new Date(first - 1), new Date(last))].map(({ at }) => at.getTime());
        const started = new Set(entries.flatMap((entry) => [...runCronie(entry, window).keys()]));
        const expected = [...started].sort((a, b) => a - b);
        if (due.join() !== expected.join()) differences.push({ seed: SEED, cron_expression, due, expected });
      }
    }
    expect(differences).toEqual([]);
  },
);

test("what cronie starts several times at the end of a gap is due once", () => {
  const [window = []] = minutesAroundChanges("Europe/Berlin");
  const end = Date.UTC(2016, 2, 27, 1);
  expect(runCronie(loadEntry("0,30 2,3 * * *"), window).get(end)).toBe(3);
  const [cron_expression, timezone] = ["0,30 2,3 * * *", "Europe/Berlin"];
  const due = dueTimes(
    compileCalendar({ trigger_type: "cron", cron_expression, timezone }),
    new Date(end - 1),
    new Date(end),
  );
  expect([...due]).toEqual([{ at: new Date(end) }]);
});

describe("away from clock changes", () => {
  test.each([
    ["random expressions", randomCron],
    ["random expressions with L and #", randomCountedCron],
  ])("%s are due as croner says", (_, make) => {
    const random = createRandom(SEED);
    const from = new Date("2026-05-30T13:07:00Z");
    for (let sample = 0; sample < 500; sample++) {
      const cron_expression = make(random);
      const { either } = parseCron(cron_expression);
      // croner writes the last Friday FRI#L.
      const croner = new Cron(cron_expression.replace(/\b([A-Z]{3}|\d)L\b/g, "$1#L"), {
        timezone: "UTC",
        mode: "5-part",
        domAndDow: !either,
      });
      const expected = croner.nextRuns(20, from).map((date) => date.toISOString());
      const due: string[] = [];
      const calendar = compileCalendar({ trigger_type: "cron", cron_expression });
      for (const { at } of dueTimes(calendar, from, new Date("2060-01-01T00:00Z"))) {
        due.push(at.toISOString());
        if (due.length === 20) break;
      }
      expect({ seed: SEED, cron_expression, due }).toEqual({ seed: SEED, cron_expression, due: expected });
    }
  });
});
