/**
 * What the Temporal Schedule of a definition should be. Pure: temporal/schedules.ts carries it out.
 *
 * A schedule is a projection of its definition's row. The hash of the plan is kept beside the row, so that an
 * unchanged definition causes no update: an update would discard due times that the engine still holds.
 */
import { createHash } from "node:crypto";
import { splitCron } from "../definition/cron-expression.ts";
import { parseDuration } from "../definition/duration.ts";
import type { Definition } from "../definition/schema.ts";

export interface SchedulePlan {
  schedule_id: string;
  activity_id: string;
  activity_name: string;
  cron_expressions: string[];
  timezone: string;
  jitter_ms: number;
  paused: boolean;
}

export function scheduleId(activityId: string): string {
  return `activity-schedule-${activityId}`;
}

/** The base of its workflow ids; Temporal appends the due time. */
export function scheduledWorkflowId(activityId: string): string {
  return `activity-${activityId}`;
}

/** The wanted schedule, or undefined for a definition that has none. */
export function planSchedule(definition: Definition): SchedulePlan | undefined {
  const trigger = definition.trigger_config;
  if (trigger.trigger_type !== "cron") return undefined;
  return {
    schedule_id: scheduleId(definition.id),
    activity_id: definition.id,
    activity_name: definition.name,
    cron_expressions: splitCron(trigger.cron_expression),
    timezone: trigger.timezone ?? "UTC",
    jitter_ms: parseDuration(trigger.jitter ?? 0),
    paused: !definition.enabled,
  };
}

export function hashPlan(plan: SchedulePlan): string {
  return createHash("sha256").update(JSON.stringify(plan)).digest("hex");
}
