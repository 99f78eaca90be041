/** What a reader sees of a schedule as the engine has it, beside what its definition says. */
import { type Static, Type } from "@sinclair/typebox";
import { Nullable, oneOf } from "../json/schema-parts.ts";

export const ScheduleView = Type.Object(
  {
    schedule_id: Type.String(),
    state: oneOf(["active", "paused", "missing"]),
    note: Nullable(Type.String({ description: "Of whoever paused it." })),
    next: Type.Array(Type.String({ format: "date-time" }), { description: "What the engine is going to start." }),
    recent: Type.Array(
      Type.Object({
        scheduled_for: Type.String({ format: "date-time", description: "Jitter included." }),
        started_at: Type.String({ format: "date-time" }),
        workflow_id: Type.String(),
      }),
      { description: "The last ten that it started." },
    ),
    missed_catchup_window: Type.Integer({ description: "Due times that it dropped as too late; see `occurrences`." }),
    skipped_overlap: Type.Integer(),
  },
  { title: "Schedule" },
);
export type ScheduleView = Static<typeof ScheduleView>;

/** temporal/schedule-reader.ts is behind it. */
export interface ScheduleReader {
  /** @throws RetryableError `temporal_unavailable` */
  readSchedule(scheduleId: string): Promise<ScheduleView>;
}
