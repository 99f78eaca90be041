/** Carries a schedule plan out. Touches only schedules with our id prefix and memo (I6). */
import {
  isGrpcServiceError,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from "@temporalio/client";
import { describeError, TerminalError } from "../errors.ts";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../run/run.ts";
import type { Scheduler } from "../trigger/projector.ts";
import { type SchedulePlan, scheduledWorkflowId } from "../trigger/schedule-plan.ts";
import { type Temporal, unavailable } from "./connection.ts";
import { searchAttributesOf } from "./search-attributes.ts";

const MEMO_KEY = "actcore";
/** The engine's minimum: what was due before is not started late. */
const CATCHUP_WINDOW = "10s";
const CALL_DEADLINE_MS = 10_000;
/** gRPC: INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE. */
const REFUSALS = new Set([3, 9, 11]);

export function createScheduler({ client, connection }: Temporal): Scheduler {
  async function guarded(call: () => Promise<void>): Promise<void> {
    try {
      await connection.withDeadline(Date.now() + CALL_DEADLINE_MS, call);
    } catch (error) {
      if (error instanceof TerminalError) throw error;
      if (!isRefusal(error)) throw unavailable(error);
      throw new TerminalError("schedule_refused", `Temporal refuses the schedule: ${describeError(error)}`, {
        cause: error,
      });
    }
  }

  async function replace(plan: SchedulePlan): Promise<void> {
    const handle = client.schedule.getHandle(plan.schedule_id);
    await assertOurs(plan.schedule_id);
    const { spec, action, policies } = toOptions(plan);
    await handle.update((previous) => ({
      ...previous,
      spec,
      action,
      policies,
      state: { ...previous.state, paused: plan.paused },
    }));
  }

  async function assertOurs(id: string): Promise<void> {
    const { memo } = await client.schedule.getHandle(id).describe();
    if (memo?.[MEMO_KEY] !== true)
      throw new TerminalError("schedule_foreign", `schedule ${id} was not made by actcore, so it is left alone`, {
        hint: "Delete it in Temporal; actcore then makes its own",
      });
  }

  return {
    upsert: (plan) =>
      guarded(async () => {
        try {
          await client.schedule.create(toOptions(plan));
        } catch (error) {
          if (!(error instanceof ScheduleAlreadyRunning)) throw error;
          await replace(plan);
        }
      }),
    remove: (id) =>
      guarded(async () => {
        try {
          await assertOurs(id);
          await client.schedule.getHandle(id).delete();
        } catch (error) {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
        }
      }),
  };
}

function toOptions(plan: SchedulePlan) {
  return {
    scheduleId: plan.schedule_id,
    spec: { cronExpressions: plan.cron_expressions, timezone: plan.timezone, jitter: plan.jitter_ms },
    action: {
      type: "startWorkflow",
      workflowType: RUN_ACTIVITY_WORKFLOW,
      workflowId: scheduledWorkflowId(plan.activity_id),
      taskQueue: ORCHESTRATOR_QUEUE,
      args: [plan.activity_id, {}],
      typedSearchAttributes: searchAttributesOf(plan.activity_id, plan.activity_name),
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCHUP_WINDOW },
    state: { paused: plan.paused },
    memo: { [MEMO_KEY]: true },
    typedSearchAttributes: searchAttributesOf(plan.activity_id, plan.activity_name),
  } satisfies ScheduleOptions;
}

/** The server's no to this schedule, or the client's, which cannot even encode it. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  if (isGrpcServiceError(cause)) return REFUSALS.has(cause.code);
  return error instanceof Error && ["ValueError", "TypeError", "RangeError"].includes(error.name);
}
