/** Schedules as the engine has them. */
import { type ScheduleDescription, ScheduleNotFoundError } from "@temporalio/client";
import type { ScheduleReader } from "../explain/schedule-view.ts";
import type { PauseInspector } from "../schedule/reconciler.ts";
import { type Temporal, unavailable } from "./connection.ts";

const DEADLINE_MS = 5_000;

export function createScheduleReader({ client, connection }: Temporal): ScheduleReader & PauseInspector {
  async function describe(scheduleId: string): Promise<ScheduleDescription | undefined> {
    try {
      const ask = () => client.schedule.getHandle(scheduleId).describe();
      return await connection.withDeadline(Date.now() + DEADLINE_MS, ask);
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) return undefined;
      throw unavailable(error);
    }
  }

  return {
    isPaused: async (scheduleId) => (await describe(scheduleId))?.state.paused ?? false,

    async readSchedule(schedule_id) {
      const description = await describe(schedule_id);
      const { state, info } = description ?? {};
      return {
        schedule_id,
        state: state === undefined ? "missing" : state.paused ? "paused" : "active",
        note: state?.note ?? null,
        next: (state?.paused ? [] : (info?.nextActionTimes ?? [])).map((time) => time.toISOString()),
        recent: (info?.recentActions ?? []).map(({ scheduledAt, takenAt, action }) => ({
          scheduled_for: scheduledAt.toISOString(),
          started_at: takenAt.toISOString(),
          workflow_id: action.workflow.workflowId,
        })),
        missed_catchup_window: info?.numActionsMissedCatchupWindow ?? 0,
        skipped_overlap: info?.numActionsSkippedOverlap ?? 0,
      };
    },
  };
}
