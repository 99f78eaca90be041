/**
 * Plan and preview together: what the engine makes of the plan of a random expression, around clock changes of 2026 and
 * 2027, is what `dueTimes` says. A second pass of a repeated hour, which the claim finds to be the first, counts as it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { msToTs, tsToMs } from "@temporalio/common/lib/time";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { dueTimes, firstPass } from "../../src/calendar/due-times.ts";
import { timeZone } from "../../src/calendar/time-zone.ts";
import type { CronTrigger } from "../../src/calendar/trigger.ts";
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
  trigger: CronTrigger;
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
  if (plan === undefined) throw new Error("a cron has a plan");
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

test(`the engine starts ${SAMPLES} random crons when they are due, around clock changes of ${ZONES.length} zones`, async () => {
  const waiting = createSamples();
  expect(waiting.length).toBeGreaterThanOrEqual(300);
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
  // Most of the samples are due near the changes: nothing would be compared otherwise.
  expect(compared).toBeGreaterThan(5_000);
}, 120_000);
