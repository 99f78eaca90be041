import { describe, expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import type { IntervalTrigger, ScheduleTrigger } from "../../src/calendar/trigger.ts";
import type { DueFacts, DueRun, Segment } from "../../src/occurrence/due-facts.ts";
import { judgeStart } from "../../src/occurrence/judge-due-time.ts";
import { settleDueTimes } from "../../src/schedule/settlement.ts";

/** Minute n of an hour; every minute something is due. */
const at = (minute: number, second = 0) => new Date(Date.UTC(2026, 0, 31, 9, minute, second));
const everyMinute = (rest: Partial<IntervalTrigger> = {}): IntervalTrigger => ({
  trigger_type: "interval",
  every: "1m",
  ...rest,
});
const segment = (from: Date, until: Date, trigger: ScheduleTrigger, enabled = true): Segment => ({
  from,
  until,
  calendar: compileCalendar(trigger),
  enabled,
});
const run = (minute: number, rest: Partial<DueRun> = {}): DueRun => ({
  run_id: `run-${minute}`,
  due: at(minute),
  firedAt: at(minute),
  finishedAt: at(minute, 1),
  filled: false,
  skipped: false,
  ...rest,
});
const open = (minute: number, rest: Partial<DueRun> = {}): DueRun => {
  const { finishedAt: _, ...going } = run(minute, rest);
  return going;
};
const stretch = (first: number, last: number, reason: string) => ({
  first_due: at(first),
  last_due: at(last),
  count: last - first + 1,
  reason,
});

/** What stands at `now` for minutes after 0, with one version in force. */
function settle(
  policy: Partial<IntervalTrigger>,
  now: Date,
  runs: DueRun[] = [],
  rest: Pick<DueFacts, "seenPausedAt" | "absence"> & { enabled?: boolean } = {},
) {
  const segments = [segment(at(0), now, everyMinute(policy))];
  return settleDueTimes({ segments, runs, enabled: true, ...rest }, now);
}

describe("what ran", () => {
  test("needs nothing, and is settled", () => {
    const settled = settle({}, at(3, 30), [run(1), run(2), run(3)]);
    expect(settled).toEqual({ until: at(3, 15), skips: [], again: false });
  });

  test("is not judged before the engine had its time, jitter included", () => {
    expect(settle({}, at(1, 14))).toMatchObject({ skips: [] });
    expect(settle({}, at(1, 14)).run).toBeUndefined();
    expect(settle({ jitter: "30s" }, at(1, 44)).run).toBeUndefined();
    expect(settle({ jitter: "30s" }, at(1, 45)).run).toEqual({ due: at(1) });
  });
});

describe("under skip, a due time that did not run", () => {
  test("is run while it is within the grace", () => {
    const policy = { misfire_grace: "40s" };
    expect(settle(policy, at(1, 30))).toEqual({ until: at(1), skips: [], run: { due: at(1) }, again: true });
    expect(settle(policy, at(1, 41))).toEqual({
      until: at(1, 26),
      skips: [stretch(1, 1, "missed") as never],
      again: false,
    });
  });

  test.each(["60s", "5m", "1d"])("is run under a grace of %s as long as no later one is due", (misfire_grace) => {
    expect(settle({ misfire_grace }, at(1, 17)).run).toEqual({ due: at(1) });
    expect(settle({ misfire_grace }, at(1, 59)).run).toEqual({ due: at(1) });
  });

  test("gives way to a later one that is due already, though that one is not judged yet", () => {
    expect(settle({ misfire_grace: "5m" }, at(2)).skips as object[]).toEqual([stretch(1, 1, "missed")]);
    const settled = settle({ misfire_grace: "1h" }, at(6, 20));
    expect(settled.skips as object[]).toEqual([stretch(1, 5, "missed")]);
    expect(settled.run).toEqual({ due: at(6) });
  });

  test("gives way to none whose jitter is not over", () => {
    const policy = { misfire_grace: "5m", jitter: "30s" };
    expect(settle(policy, at(2, 29)).run).toEqual({ due: at(1) });
    expect(settle(policy, at(2, 30)).skips as object[]).toEqual([stretch(1, 1, "missed")]);
  });

  test("runs with a larger grace whatever runs with a smaller one, and is judged as a late start is", () => {
    for (let lateS = 15; lateS <= 400; lateS++) {
      const now = new Date(at(1).getTime() + lateS * 1000);
      const verdicts = [20, 60, 150, 300, 3600].map((misfire_grace) => {
        const trigger = everyMinute({ every: "2m", offset: "1m", misfire_grace });
        const segments = [segment(at(0), now, trigger)];
        const { run } = settleDueTimes({ segments, runs: [], enabled: true }, now);
        const isRun = run?.due.getTime() === at(1).getTime();
        const started = judgeStart(segments, at(1), now) === undefined;
        expect({ lateS, misfire_grace, started }).toEqual({
          lateS,
          misfire_grace,
          started: isRun,
        });
        return isRun;
      });
      expect(verdicts).toEqual(verdicts.toSorted());
    }
  });

  test("is one stretch with the others of its gap", () => {
    const { skips, run: owed } = settle({}, at(7, 10), [run(7)]);
    expect(skips as object[]).toEqual([stretch(1, 6, "missed")]);
    expect(owed).toBeUndefined();
  });

  test("is skipped as overlap while the run before was going", () => {
    const { skips } = settle({}, at(4, 30), [run(1, { finishedAt: at(3, 10) }), run(4)]);
    expect(skips as object[]).toEqual([stretch(2, 3, "overlap")]);
  });

  test("is run beside it where the definition says how many go at a time, because its claim waits then", () => {
    const now = at(2, 30);
    const segments = [{ ...segment(at(0), now, everyMinute()), isCounted: true }];
    const { skips, run: owed } = settleDueTimes({ segments, runs: [open(1)], enabled: true }, now);
    expect([skips, owed as object]).toEqual([[], { due: at(2) }]);
  });

  test("begins another stretch behind one that ran", () => {
    const { skips } = settle({}, at(9), [run(3)]);
    expect(skips as object[]).toEqual([stretch(1, 2, "missed"), stretch(4, 8, "missed")]);
  });
});

describe("under skip, a due time in an absence of everybody", () => {
  const absence = { from: at(2, 30), until: at(6, 30) };

  test("is missed although the ledger has a run that was open then, and others are an overlap", () => {
    const { skips } = settle({}, at(8, 30), [run(1, { finishedAt: at(7, 20) }), run(8)], { absence });
    expect(skips as object[]).toEqual([stretch(2, 2, "overlap"), stretch(3, 6, "missed"), stretch(7, 7, "overlap")]);
  });

  test("begins after its first moment, and ends with its last", () => {
    const rounds = { from: at(2), until: at(6) };
    const { skips } = settle({}, at(8, 30), [run(1, { finishedAt: at(7, 20) }), run(8)], { absence: rounds });
    expect(skips as object[]).toEqual([stretch(2, 2, "overlap"), stretch(3, 6, "missed"), stretch(7, 7, "overlap")]);
  });

  test("is run within its grace once that run is over, and not beside it", () => {
    const [policy, now] = [{ every: "3m" }, at(6, 45)];
    expect(settle(policy, now, [run(3, { finishedAt: at(6, 40) })], { absence }).run).toEqual({ due: at(6) });
    const beside = settle(policy, now, [open(3)], { absence });
    expect([beside.skips as object[], beside.run]).toEqual([[stretch(6, 6, "missed")], undefined]);
  });
});

test("under skip, a due time that a clock change removed makes up for none before it", () => {
  const trigger = { trigger_type: "cron", cron_expression: "59 1,2 * * *", timezone: "Europe/Berlin" } as const;
  const utc = (text: string) => new Date(`2026-03-29T${text}Z`);
  const now = utc("01:00:05");
  const settleIt = (dst_gap: "run" | "skip") =>
    settleDueTimes(
      {
        segments: [segment(utc("00:50:00"), now, { ...trigger, dst_gap, misfire_grace: "2m" })],
        runs: [],
        enabled: true,
      },
      now,
    );
  expect(settleIt("skip").run).toEqual({ due: utc("00:59:00") });
  expect(settleIt("run").run).toBeUndefined();
});

describe("under catchup, a due time that did not run", () => {
  const policy = { misfire_policy: "catchup" } as const;

  test("is run, the oldest first, one after the other", () => {
    expect(settle(policy, at(7))).toEqual({ until: at(1), skips: [], run: { due: at(1) }, again: true });
  });

  test("waits while a run is going: the engine may hold it in its buffer", () => {
    expect(settle(policy, at(7), [open(1)])).toEqual({ until: new Date(at(2).getTime() - 1), skips: [], again: false });
  });

  test("waits while the engine has just ended another, and not when the reconciler had made that one", () => {
    const recent = { finishedAt: at(6, 55) };
    expect(settle(policy, at(7), [run(1, recent)]).run).toBeUndefined();
    expect(settle(policy, at(7), [run(1, { ...recent, filled: true })]).run).toEqual({ due: at(2) });
  });

  test("is run at once when the engine has passed it over", () => {
    expect(settle(policy, at(7, 2), [run(1), run(7, { finishedAt: at(7, 1) })]).run).toEqual({ due: at(2) });
  });

  test("is skipped outside the window", () => {
    const { skips, run: owed } = settle({ ...policy, catchup_window: "3m" }, at(7));
    expect(skips as object[]).toEqual([stretch(1, 3, "outside_catchup_window")]);
    expect(owed).toEqual({ due: at(4) });
  });
});

describe("under compress, due times that did not run", () => {
  const policy = { misfire_policy: "compress" } as const;

  test("are run as the latest of them, which is told of the others", () => {
    expect(settle(policy, at(6, 30))).toEqual({
      until: at(6, 15),
      skips: [],
      run: { due: at(6), compressed: stretch(1, 5, "compressed") as never },
      again: true,
    });
  });

  test("of which some were skipped at their claim count those too", () => {
    const { skips } = settle(policy, at(8, 10), [run(6, { skipped: true }), run(7, { firedAt: at(7, 9) })]);
    expect(skips as object[]).toEqual([{ ...stretch(1, 6, "compressed"), into_run: "run-7" }]);
  });

  test("go into the run that a claim among them gave way to, however punctual", () => {
    const { skips, run: owed } = settle(policy, at(8, 10), [run(6, { skipped: true }), run(7)]);
    expect(skips as object[]).toEqual([{ ...stretch(1, 6, "compressed"), into_run: "run-7" }]);
    expect(owed).toBeUndefined();
  });

  test("do not go into a later run that was late for another reason", () => {
    const runs = [run(3), run(7, { firedAt: at(7, 20) })];
    expect(settle(policy, at(8), runs).run).toEqual({ due: at(2), compressed: stretch(1, 1, "compressed") as never });
  });

  test("wait for a due time that has come and may be the last of them", () => {
    expect(settle(policy, at(7, 10))).toMatchObject({ until: new Date(at(1).getTime() - 1), skips: [] });
    expect(settle(policy, at(7, 10)).run).toBeUndefined();
    expect(settle(policy, at(7, 15)).run?.due).toEqual(at(7));
  });

  test("are one alone when there is only one", () => {
    expect(settle(policy, at(2, 20), [run(1)]).run).toEqual({ due: at(2) });
  });

  test("end with the gap: what ran on time behind it stands for itself", () => {
    const { run: owed, until } = settle(policy, at(8), [run(6), run(7)]);
    expect([owed?.due, owed?.compressed?.count, until]).toEqual([at(5), 4, at(5)]);
  });

  test("go into the run that the engine made late at the gap's end", () => {
    const { run: owed, skips } = settle(policy, at(8), [run(6, { firedAt: at(6, 5) }), run(7)]);
    expect(owed).toBeUndefined();
    expect(skips as object[]).toEqual([{ ...stretch(1, 5, "compressed"), into_run: "run-6" }]);
  });

  test("go into that run also when it is too young to be settled itself, past what it skipped", () => {
    const { skips, until } = settle(policy, at(8, 10), [run(7, { skipped: true }), run(8, { firedAt: at(8, 5) })]);
    expect(skips as object[]).toEqual([{ ...stretch(1, 7, "compressed"), into_run: "run-8" }]);
    expect(until).toEqual(at(7, 55));
  });

  test("wait while a run is going", () => {
    expect(settle(policy, at(8), [open(1)])).toMatchObject({ until: new Date(at(2).getTime() - 1), skips: [] });
  });
});

describe("a definition that changed", () => {
  const settleBoth = (before: Segment, after: Segment, now: Date) =>
    settleDueTimes({ segments: [before, after], runs: [], enabled: true }, now);

  test("is judged by what it said when it was due", () => {
    const catchup = segment(at(0), at(3, 30), everyMinute({ misfire_policy: "catchup" }));
    expect(settleBoth(catchup, segment(at(3, 30), at(9), everyMinute()), at(9)).run).toEqual({ due: at(1) });
  });

  test("in a gap under compress runs once for the whole gap", () => {
    const compress = everyMinute({ misfire_policy: "compress" });
    const { run: owed } = settleBoth(
      segment(at(0), at(3, 30), compress),
      segment(at(3, 30), at(8, 30), compress),
      at(8, 30),
    );
    expect([owed?.due, owed?.compressed?.count]).toEqual([at(8), 7]);
  });

  test("closes a gap of compress where it stopped to compress", () => {
    const compress = everyMinute({ misfire_policy: "compress" });
    const { run: owed, until } = settleBoth(
      segment(at(0), at(3, 30), compress),
      segment(at(3, 30), at(9), everyMinute()),
      at(9),
    );
    expect([owed?.due, until]).toEqual([at(3), at(3, 30)]);
  });

  test("has one stretch before and one behind the time in which it was disabled", () => {
    const [first, last] = [segment(at(0), at(2, 30), everyMinute()), segment(at(4, 30), at(9), everyMinute())];
    const segments = [first, segment(at(2, 30), at(4, 30), everyMinute(), false), last];
    const { skips } = settleDueTimes({ segments, runs: [], enabled: true }, at(9));
    expect(skips as object[]).toEqual([stretch(1, 2, "missed"), stretch(5, 8, "missed")]);
  });

  test("owes nothing for the stretch in which it was disabled", () => {
    const catchup = everyMinute({ misfire_policy: "catchup" });
    const settled = settleBoth(segment(at(0), at(5), catchup, false), segment(at(5), at(5, 30), catchup), at(9));
    expect(settled).toEqual({ until: at(5, 30), skips: [], again: false });
  });
});

describe.each(["skip", "catchup", "compress"] as const)("under %s, what was due", (misfire_policy) => {
  test("is skipped when the definition is disabled by now", () => {
    const { skips, run: owed } = settle({ misfire_policy }, at(4), [], { enabled: false });
    expect(owed).toBeUndefined();
    expect(skips as object[]).toEqual([stretch(1, 3, "disabled")]);
  });

  test.each([at(2), at(2, 30)])("until a pause was last seen, at %p, is skipped, and nothing later", (seenPausedAt) => {
    const { skips } = settle({ misfire_policy }, at(4), [], { seenPausedAt });
    expect(skips[0] as object).toEqual(stretch(1, 2, "paused"));
    expect(skips.slice(1).map(({ reason }) => reason)).not.toContain("paused");
  });
});

describe("under compress, a due time that a clock change removed from a gap", () => {
  // 02:00 to 02:55 do not exist, and are skipped at 03:00, which is 01:00 in UTC. The run of 01:50 is a long one.
  const trigger = {
    trigger_type: "cron",
    cron_expression: "0-55/5 0-2 * * *",
    timezone: "Europe/Berlin",
    dst_gap: "skip",
    misfire_policy: "compress",
  } as const;
  const utc = (text: string) => new Date(`2026-03-29T${text}Z`);
  const long = { ...open(0), due: utc("00:50:00"), firedAt: utc("00:50:00") };
  const settleUntil = (now: Date, runs: DueRun[]) =>
    settleDueTimes({ segments: [segment(utc("00:50:00"), now, trigger)], runs, enabled: true }, now);

  test("is not recorded while the due time before it is waited for: it would be again and again", () => {
    const settled = settleUntil(utc("01:10:00"), [long]);
    expect(settled).toEqual({ until: utc("00:54:59.999"), skips: [], again: false });
  });

  test("is not waited for: the gap ends before it", () => {
    const settled = settleUntil(utc("02:10:00"), [{ ...long, finishedAt: utc("02:00:00") }]);
    expect(settled.run).toEqual({ due: utc("00:55:00") });
    expect(settled.until).toEqual(utc("02:09:45"));
    expect(settled.skips.map(({ first_due, count, reason }) => [first_due, count, reason] as unknown)).toEqual([
      [utc("01:00:00"), 1, "dst_gap"],
    ]);
  });
});

describe("what the next version says", () => {
  const hourly = everyMinute({ every: "1h", offset: "45m" });
  const settleEdited = (policy: Partial<IntervalTrigger>, until: Date, next: IntervalTrigger, now: Date) => {
    const trigger = everyMinute(policy);
    const segments = [segment(at(0), until, trigger), segment(until, now, { ...next, ...policy })];
    return settleDueTimes({ segments, runs: [], enabled: true }, now);
  };

  test("makes up for a hole under skip, or does not", () => {
    expect(settleEdited({}, at(1, 5), hourly, at(1, 20)).run).toEqual({ due: at(1) });
    const { skips } = settleEdited({}, at(1, 5), everyMinute({ every: "20s" }), at(1, 20));
    expect(skips).toMatchObject([stretch(1, 1, "missed")]);
  });

  test("is no due time of before, for which a gap would wait", () => {
    const compress = { misfire_policy: "compress" } as const;
    const next = { ...hourly, offset: "4m" };
    const segments = [
      segment(at(0), at(5), everyMinute({ ...compress, every: "3m" })),
      segment(at(5), at(6), { ...next, ...compress }),
    ];
    expect(settleDueTimes({ segments, runs: [], enabled: true }, at(6)).run).toEqual({ due: at(3) });
  });
});
