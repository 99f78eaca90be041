/** A schedule plan as Temporal's message, and what identifies the message that Temporal answers. */
import { defaultPayloadConverter, toPayloads } from "@temporalio/common";
import { encodeUnifiedSearchAttributes } from "@temporalio/common/lib/converter/payload-search-attributes";
import { msToTs } from "@temporalio/common/lib/time";
import { temporal } from "@temporalio/proto";
import { stableHex } from "../kernel/stable-id.ts";
import { scheduledWorkflowId } from "../occurrence/occurrence.ts";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../run/run.ts";
import type { CalendarSpec } from "../schedule/calendar-spec.ts";
import type { SchedulePlan } from "../schedule/plan.ts";
import { searchAttributesOf } from "./search-attributes.ts";

const { Schedule, ScheduleSpec } = temporal.api.schedule.v1;
const { ScheduleOverlapPolicy, TaskQueueKind } = temporal.api.enums.v1;
type ISchedule = temporal.api.schedule.v1.ISchedule;
type ISpec = temporal.api.schedule.v1.IScheduleSpec;

const OVERLAPS = {
  skip: ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP,
  buffer_one: ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
  buffer_all: ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
  allow_all: ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
} as const;

/** The listing shows that many of a schedule's calendars, exclusions and intervals, and no more. */
const LISTED = 10;

/** @throws TypeError, RangeError for what has no encoding */
export function encodeSchedule(plan: SchedulePlan, state: { paused: boolean; notes: string }): ISchedule {
  return Schedule.fromObject({
    spec: encodeSpec(plan),
    action: {
      startWorkflow: {
        workflowId: scheduledWorkflowId(plan.activity_id),
        workflowType: { name: RUN_ACTIVITY_WORKFLOW },
        taskQueue: { name: ORCHESTRATOR_QUEUE, kind: TaskQueueKind.TASK_QUEUE_KIND_NORMAL },
        input: { payloads: toPayloads(defaultPayloadConverter, plan.activity_id, {}) },
        searchAttributes: encodeSearchAttributes(plan),
      },
    },
    policies: { overlapPolicy: OVERLAPS[plan.overlap], catchupWindow: msToTs(plan.catchup_window_ms) },
    state: {
      ...state,
      limitedActions: plan.remaining_actions !== undefined,
      remainingActions: plan.remaining_actions ?? 0,
    },
  });
}

export function encodeSearchAttributes({ activity_id, activity_name }: SchedulePlan) {
  return { indexedFields: encodeUnifiedSearchAttributes(undefined, searchAttributesOf(activity_id, activity_name)) };
}

/** A hash of spec, action and policies. It changes when somebody changes one of them, and not with a start or a pause. */
export function hashSchedule({ spec, action, policies }: ISchedule): string {
  const message = Schedule.toObject(Schedule.fromObject({ spec, action, policies }), { longs: String, bytes: String });
  return stableHex(JSON.stringify(sorted(message)), 64);
}

/** Whether a listed spec can be the plan's: a listing leaves out the policies, the action, and most of a long spec. */
export function isListedAs(listed: ISpec, plan: SchedulePlan): boolean {
  return Bun.deepEquals(asListed(listed), asListed(encodeSpec(plan)));
}

/** As a listing shows it; what is absent is written out, because of the two one was sent and one was made here. */
function asListed(spec: ISpec): object {
  const whole = ScheduleSpec.toObject(ScheduleSpec.fromObject(spec), { longs: String, bytes: String, defaults: true });
  for (const list of ["structuredCalendar", "excludeStructuredCalendar", "interval"])
    whole[list] = whole[list].slice(0, LISTED);
  return whole;
}

function encodeSpec({ timezone, calendars, excluded, intervals, jitter_ms, start_ms, end_ms }: SchedulePlan): ISpec {
  return {
    timezoneName: timezone,
    structuredCalendar: calendars.map(encodeCalendar),
    excludeStructuredCalendar: excluded.map(encodeCalendar),
    interval: intervals.map(({ every_ms, offset_ms }) => ({ interval: msToTs(every_ms), phase: msToTs(offset_ms) })),
    jitter: msToTs(jitter_ms),
    // The engine counts both as a part of the schedule too.
    ...(start_ms !== undefined && { startTime: msToTs(start_ms) }),
    ...(end_ms !== undefined && { endTime: msToTs(end_ms) }),
  };
}

function encodeCalendar({ years, months, days, weekdays, hours, minutes, seconds }: CalendarSpec) {
  return {
    year: [...(years ?? [])],
    month: [...months],
    dayOfMonth: [...days],
    dayOfWeek: [...weekdays],
    hour: [...hours],
    minute: [...minutes],
    second: [...seconds],
  };
}

/** Sorts the keys of all objects, because the entries of a map arrive in any order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, sorted(inner)]);
}
