import { describe, expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import type { IntervalTrigger, ScheduleTrigger } from "../../src/calendar/trigger.ts";
import { judgeStart } from "../../src/occurrence/judge-due-time.ts";

/** Minute n of an hour; every minute something is due. */
const at = (minute: number, second = 0) => new Date(Date.UTC(2026, 0, 31, 9, minute, second));
const everyMinute = (rest: Partial<IntervalTrigger>): IntervalTrigger => ({
  trigger_type: "interval",
  every: "1m",
  ...rest,
});

/** By a definition that says the same ever since. */
function judge(trigger: ScheduleTrigger, due: Date, now: Date) {
  const calendar = compileCalendar(trigger);
  return judgeStart([{ from: new Date(0), until: now, calendar, enabled: true }], due, now);
}

describe("a due time that the engine started late", () => {
  test.each<[policy: Partial<IntervalTrigger>, now: Date, reason: string | undefined]>([
    [{}, at(1, 59), undefined],
    [{}, at(2, 1), "missed"],
    [{ misfire_grace: "5m" }, at(1, 59), undefined],
    [{ misfire_grace: "5m" }, at(2), "missed"],
    [{ misfire_grace: "5m", every: "10m", offset: "1m" }, at(6), undefined],
    [{ misfire_grace: "5m", every: "10m", offset: "1m" }, at(6, 1), "missed"],
    [{ misfire_grace: "5m", every: "1s" }, at(1, 14), undefined],
    [{ misfire_grace: "5m", every: "1s" }, at(1, 15), "missed"],
    [{ jitter: "30s" }, at(2, 29), undefined],
    [{ jitter: "30s" }, at(2, 31), "missed"],
    [{ misfire_policy: "catchup" }, at(40), undefined],
    [{ misfire_policy: "catchup", catchup_window: "10m" }, at(11, 1), "outside_catchup_window"],
    [{ misfire_policy: "catchup", catchup_window: "10m" }, at(11), undefined],
    [{ misfire_policy: "catchup", catchup_window: "10m", jitter: "30s" }, at(11, 30), undefined],
    [{ misfire_policy: "catchup", catchup_window: "10m", jitter: "30s" }, at(11, 31), "outside_catchup_window"],
    [{ misfire_policy: "compress", jitter: "30s" }, at(2, 29), undefined],
    [{ misfire_policy: "compress", jitter: "30s" }, at(2, 30), "compressed"],
    [{ misfire_policy: "compress" }, at(1, 59), undefined],
    [{ misfire_policy: "compress" }, at(2), "compressed"],
    [{ misfire_policy: "compress", every: "1s" }, at(1, 1), undefined],
    [{ misfire_policy: "compress", every: "1s" }, at(1, 3), "compressed"],
  ])("under %j at %p: %p", (policy, now, reason) => {
    expect(judge(everyMinute(policy), at(1), now) as string | undefined).toBe(reason);
  });

  test("runs however late when it is a one-shot", () => {
    const once = { trigger_type: "scheduled", run_at: "2026-01-31T09:01:00Z" } as const;
    expect(judge(once, at(1), new Date(Date.UTC(2027, 0, 1)))).toBeUndefined();
  });

  test("gives way to none that a clock change removed", () => {
    const trigger = {
      trigger_type: "cron",
      cron_expression: "0-55/5 0-2 * * *",
      timezone: "Europe/Berlin",
      dst_gap: "skip",
      misfire_policy: "compress",
    } as const;
    const [due, now] = [new Date("2026-03-29T00:55:00Z"), new Date("2026-03-29T01:00:05Z")];
    expect(judge(trigger, due, now)).toBeUndefined();
    expect(judge({ ...trigger, dst_gap: "run" }, due, now)).toBe("compressed");
  });
});
