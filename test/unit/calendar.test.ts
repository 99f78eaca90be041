import { describe, expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";

const DEFAULTS = { policy: "skip", graceMs: 60_000, catchupWindowMs: 86_400_000, jitterMs: 0 };

describe("a compiled calendar", () => {
  test("of a cron has its fields, its zone and its policy in milliseconds, and is frozen", () => {
    const own = { misfire_grace: "5m", catchup_window: 90, jitter: "1.5s", misfire_policy: "catchup" } as const;
    const zone = { timezone: "Europe/Berlin", dst_gap: "skip" } as const;
    const calendar = compileCalendar({ trigger_type: "cron", cron_expression: "5 4 * * 1", ...zone, ...own });
    expect(calendar).toMatchObject({
      crons: [{ minutes: [5], hours: [4], weekdays: [1] }],
      zone: { name: "Europe/Berlin" },
      dst_gap: "skip",
      misfire: { policy: "catchup", graceMs: 300_000, catchupWindowMs: 90_000, jitterMs: 1500 },
    });
    expect(Object.isFrozen(calendar)).toBe(true);
  });

  test("of a trigger that says nothing else has the defaults", () => {
    expect(compileCalendar({ trigger_type: "cron", cron_expression: "@daily" })).toMatchObject({
      zone: { name: "UTC" },
      dst_gap: "run",
      misfire: DEFAULTS,
    });
    expect(compileCalendar({ trigger_type: "interval", every: "90s" })).toMatchObject({
      everyMs: 90_000,
      offsetMs: 0,
      zone: { name: "UTC" },
      startsAt: Number.NEGATIVE_INFINITY,
      endsAt: Number.POSITIVE_INFINITY,
      misfire: DEFAULTS,
    });
  });

  test("of a one-shot runs it however late, and is never due where there is no such time", () => {
    const calendar = compileCalendar({ trigger_type: "scheduled", run_at: "2026-12-24T18:00:00Z" });
    expect(calendar).toMatchObject({
      at: new Date("2026-12-24T18:00:00Z"),
      misfire: { policy: "catchup", catchupWindowMs: Number.POSITIVE_INFINITY },
    });
    expect(compileCalendar({ trigger_type: "scheduled", run_at: "2026-02-30T18:00:00Z" })).toMatchObject({
      at: undefined,
    });
  });
});
