/** An outage is accounted for in the same way whatever form a calendar has: by what is due, and by its policy. */
import { describe, expect, test } from "bun:test";
import { type Calendar, compileCalendar } from "../../src/calendar/calendar.ts";
import { dueTimes } from "../../src/calendar/due-times.ts";
import type { SkippedStretch } from "../../src/calendar/misfire.ts";
import type { ScheduleTrigger } from "../../src/calendar/trigger.ts";
import type { DueRun, Segment } from "../../src/occurrence/due-facts.ts";
import { type Settlement, settleDueTimes } from "../../src/schedule/settlement.ts";

const POLICIES = ["skip", "catchup", "compress"] as const;
type Policy = (typeof POLICIES)[number];
/** Over a change of clocks, a month's end and a date that is left out: nobody accounted for anything. */
const FROM = new Date("2027-03-20T00:00:00Z");
const NOW = new Date("2027-04-02T12:00:00Z");
const timezone = "Europe/Berlin";

const cron = (cron_expression: string | string[], rest: object = {}): ScheduleTrigger => ({
  trigger_type: "cron",
  cron_expression,
  timezone,
  ...rest,
});

/** As the reconciler does it: each settlement is carried out, and its run is over at once. */
function settleAll(trigger: ScheduleTrigger, policy: Policy) {
  const rest = trigger.trigger_type === "scheduled" ? {} : { misfire_policy: policy, catchup_window: "365d" };
  const calendar = compileCalendar({ ...trigger, ...rest } as ScheduleTrigger);
  const [runs, skips]: [DueRun[], SkippedStretch[]] = [[], []];
  let segments: Segment[] = [{ from: FROM, until: NOW, calendar, enabled: true }];
  let settlement: Settlement;
  do {
    settlement = settleDueTimes({ segments, runs, enabled: true }, NOW);
    skips.push(...settlement.skips, ...(settlement.run?.compressed ? [settlement.run.compressed] : []));
    if (settlement.run !== undefined) {
      const { due } = settlement.run;
      runs.push({ run_id: due.toISOString(), due, firedAt: NOW, finishedAt: NOW, filled: true, skipped: false });
    }
    segments = segments.map((segment) => ({ ...segment, from: (settlement as Settlement).until }));
  } while (settlement.again);
  return { calendar, runs, skips };
}

/** `2027-03-28T01:00 missed`: each due time with what became of it; of one without a reason or a run, nothing. */
function outcomesOf({ calendar, runs, skips }: { calendar: Calendar; runs: DueRun[]; skips: SkippedStretch[] }) {
  const counts = new Map(skips.map((stretch) => [stretch, 0]));
  const outcomes = [...dueTimes(calendar, FROM, NOW)].map(({ at, skipped }) => {
    const ran = runs.some(({ due }) => due.getTime() === at.getTime());
    const those = skips.filter(
      ({ first_due, last_due, reason }) =>
        first_due <= at && at <= last_due && (skipped === undefined || skipped === reason),
    );
    const stretch = ran ? undefined : those.at(-1);
    if (stretch) counts.set(stretch, (counts.get(stretch) ?? 0) + 1);
    return `${at.toISOString().slice(0, 16)} ${ran ? "run" : (stretch?.reason ?? "?")}`;
  });
  return { outcomes, isCounted: [...counts].every(([{ count }, found]) => count === found) };
}

/** Each form, and plain crons or an interval that are due at the same times. */
const FORMS: [what: string, form: ScheduleTrigger, plain: ScheduleTrigger][] = [
  ["a list", cron(["0 2 * * *", "0 9 * * *", "0 9 28 * *"]), cron("0 2,9 * * *")],
  ["a month's last day", cron("0 9 L * *"), cron("0 9 31 3 *")],
  ["a month's last weekday", cron("0 9 * * WEDL,FRI#4"), cron("0 9 26,31 3 *")],
  ["a beginning", cron("0 9 * * *", { starts_at: "2027-03-25T00:00" }), cron("0 9 25-31,1,2 * *")],
  ["an end", cron("0 9 * * *", { ends_at: "2027-03-30T23:59" }), cron("0 9 1-30 3 *")],
  [
    "an anchor",
    { trigger_type: "interval", every: "2d", anchor: "2027-03-21T10:00", timezone },
    { trigger_type: "interval", every: "2d", offset: "9h" },
  ],
];

describe.each(POLICIES)("under %s, an outage of two weeks", (policy) => {
  test.each(FORMS)(
    "leaves each due time of %s with what it has of a plain trigger: a run or a reason",
    (_, form, plain) => {
      const own = settleAll(form, policy);
      const { outcomes, isCounted } = outcomesOf(own);
      expect(outcomes.filter((outcome) => outcome.endsWith("?"))).toEqual([]);
      expect([outcomes.length > 0, isCounted]).toEqual([true, true]);
      expect(outcomes).toEqual(outcomesOf(settleAll(plain, policy)).outcomes);
      expect(own.runs).toHaveLength({ skip: 0, catchup: outcomes.length, compress: 1 }[policy]);
    },
  );

  test("leaves those on dates that are left out as such, and runs none of them", () => {
    const trigger = cron("0 9 * * *", { except: ["2027-03-21", "2027-03-22", "2027-04-02"] });
    const { outcomes, isCounted } = outcomesOf(settleAll(trigger, policy));
    const last = { skip: "missed", catchup: "run", compress: "run" }[policy];
    const others = { skip: "missed", catchup: "run", compress: "compressed" }[policy];
    expect(outcomes.map((outcome) => outcome.slice(5).split(" ")[1])).toEqual([
      others,
      "excepted",
      "excepted",
      ...Array(9).fill(others),
      last,
      "excepted",
    ]);
    expect(isCounted).toBe(true);
  });
});

test("a date that is left out takes nothing from the due time before it, however large the grace", () => {
  const trigger = cron("0 9 * * *", { except: ["2027-04-02"], misfire_grace: "30d" });
  const { outcomes } = outcomesOf(settleAll(trigger, "skip"));
  expect(outcomes.slice(-2)).toEqual(["2027-04-01T07:00 run", "2027-04-02T07:00 excepted"]);
});

test("a one-shot by a local time is run once, however late", () => {
  const trigger: ScheduleTrigger = { trigger_type: "scheduled", run_at: "2027-03-28T02:30", timezone };
  for (const policy of POLICIES)
    expect(outcomesOf(settleAll(trigger, policy)).outcomes).toEqual(["2027-03-28T01:00 run"]);
});
