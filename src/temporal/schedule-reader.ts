/** Schedules as the engine has them. */
import type { ScheduleReader } from "../explain/schedule-view.ts";
import type { PauseInspector } from "../schedule/reconciler.ts";
import type { Temporal } from "./connection.ts";
import { GRPC, ignoring } from "./grpc.ts";

const DEADLINE_MS = 5_000;

export function createScheduleReader({ client, ask }: Temporal): ScheduleReader & PauseInspector {
  const describe = (scheduleId: string) =>
    ask(() => client.schedule.getHandle(scheduleId).describe(), DEADLINE_MS).catch(ignoring(GRPC.notFound));

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
