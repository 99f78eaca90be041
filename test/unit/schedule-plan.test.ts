import { describe, expect, test } from "bun:test";
import { splitCron } from "../../src/definition/cron-expression.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { hashPlan, planSchedule, type SchedulePlan } from "../../src/trigger/schedule-plan.ts";

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
  retired_at: null,
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-01T00:00:00.000Z",
};
const plan = planSchedule(definition) as SchedulePlan;

test.each<[expression: string, expressions: string[]]>([
  ["0 9 13 * 5", ["0 9 13 * *", "0 9 * * 5"]],
  ["0 9 13 * *", ["0 9 13 * *"]],
  ["0 9 * * 5", ["0 9 * * 5"]],
  [" */5  *   * * * ", ["*/5 * * * *"]],
  ["0 9 */2 * 5", ["0 9 */2 * 5"]],
])("crontab's %j is %j to Temporal, where both days must match", (expression, expressions) => {
  expect(splitCron(expression)).toEqual(expressions);
});

test("a cron definition has a schedule under its own id", () => {
  expect(plan).toEqual({
    schedule_id: `activity-schedule-${definition.id}`,
    activity_id: definition.id,
    activity_name: "heartbeat",
    cron_expressions: ["0 9 13 * *", "0 9 * * 5"],
    timezone: "Europe/Berlin",
    jitter_ms: 10_000,
    paused: false,
  });
});

test("an event definition has none", () => {
  const trigger_config = { trigger_type: "event", event_type: "x" } as const;
  expect(planSchedule({ ...definition, trigger_type: "event", trigger_config })).toBeUndefined();
});

describe("the hash of a plan", () => {
  test("stays over versions and tasks, and from one release to the next", () => {
    const task = { key: "t", type: "log", params: { message: "hi" } } as const;
    const changed = { ...definition, version: 4, updated_at: "2027-01-01T00:00:00.000Z", task_templates: [task] };
    expect(hashPlan(planSchedule(changed) as SchedulePlan)).toBe(hashPlan(plan));
    expect(hashPlan(plan)).toBe("956e4f44bcc380b81dc66d81950551df9186d0a7706fb21a532f19af9911287e");
  });

  test.each<[what: string, change: Partial<Definition>]>([
    ["pause", { enabled: false }],
    ["name", { name: "other" }],
    ["expression", { trigger_config: { trigger_type: "cron", cron_expression: "0 9 * * *" } }],
  ])("moves with its %s", (_, change) => {
    expect(hashPlan(planSchedule({ ...definition, ...change }) as SchedulePlan)).not.toBe(hashPlan(plan));
  });
});
