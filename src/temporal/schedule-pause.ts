/** Whether somebody paused a schedule in the engine. */
import { ScheduleNotFoundError } from "@temporalio/client";
import type { PauseInspector } from "../trigger/reconciler.ts";
import { type Temporal, unavailable } from "./connection.ts";

const DEADLINE_MS = 5_000;

export function createPauseInspector({ client, connection }: Temporal): PauseInspector {
  return {
    async isPaused(scheduleId) {
      try {
        const describe = () => client.schedule.getHandle(scheduleId).describe();
        return (await connection.withDeadline(Date.now() + DEADLINE_MS, describe)).state.paused;
      } catch (error) {
        if (error instanceof ScheduleNotFoundError) return false;
        throw unavailable(error);
      }
    },
  };
}
