/** `expect` of a definition: what may be written, and which definitions are watched. */
import { describe, expect, test } from "bun:test";
import { findExpectationFaults, watchedWithinMs } from "../../src/definition/expectation.ts";
import type { DefinitionInput } from "../../src/definition/schema.ts";
import { bodyOf } from "../support/ledger.ts";

const NOW = new Date("2026-03-01T00:00:00Z");
const cron = (cron_expression: string) => ({ trigger_type: "cron" as const, cron_expression, timezone: "UTC" });
const faultsOf = (success_within: string | number, trigger_config: DefinitionInput["trigger_config"]) =>
  findExpectationFaults({ name: "a", trigger_config, expect: { success_within } }, NOW).map(({ message }) => message);

describe("a time is refused", () => {
  const EVENT = { trigger_type: "event" as const, event_type: "x" };
  test.each([
    ["of less than 30 s", "29s", EVENT, "from 30s to 365d"],
    ["of more than a year", "366d", EVENT, "from 30s to 365d"],
    ["that is shorter than the time between any two due times of a cron", "23h", cron("0 2 * * *"), "1440 minutes"],
    ["that is shorter than an interval", 59, { trigger_type: "interval" as const, every: "1m" }, "1 minutes"],
  ])("%s", (_what, within, trigger, message) => {
    expect(faultsOf(within, trigger)).toEqual([expect.stringContaining(message)]);
  });

  test.each([
    ["of an event's activity", "30s", EVENT],
    ["that is as long as the time between two due times", "24h", cron("0 2 * * *")],
    ["that some due times are within of each other", "26h", cron("0 9 * * MON-FRI")],
    ["of a one-shot", "1m", { trigger_type: "scheduled" as const, run_at: "2026-12-24T18:00:00Z" }],
  ])("but not one %s", (_what, within, trigger) => {
    expect(faultsOf(within, trigger)).toEqual([]);
  });
});

describe("watched is", () => {
  const body = bodyOf("a", { expect: { success_within: "2m" } });
  const live = { enabled: true, deleted_at: null, body };
  test.each([
    ["a definition with expect", live, 120_000],
    ["none without it", { ...live, body: bodyOf("a") }, undefined],
    ["none that is disabled or retired", { ...live, enabled: false }, undefined],
    ["none that is deleted", { ...live, deleted_at: NOW }, undefined],
    ["no shadow, whose runs do nothing", { ...live, body: { ...body, shadow: true } }, undefined],
  ])("%s", (_what, row, within) => {
    expect(watchedWithinMs(row)).toBe(within as number);
  });
});
