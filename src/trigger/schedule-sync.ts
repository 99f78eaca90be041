/** The sync's stage of schedules. */

/** What somebody did to a schedule of ours behind our back. */
export interface ScheduleDrift {
  schedule_id: string;
  activity_id?: string;
  what: "paused" | "unpaused" | "changed" | "deleted";
  /** A pause is honoured; and a dry run repairs nothing. */
  repaired: boolean;
}

export interface ScheduleSyncReport {
  /** Created, updated, paused or unpaused. */
  upserted: number;
  unchanged: number;
  /** Schedules that stand paused because their definition is disabled. */
  paused: number;
  /** Schedules of ours whose definition is not there, or is deleted. */
  orphans_deleted: number;
  /** Schedules of definitions that have none any more: a one-shot that is accounted for, or another trigger. */
  removed: number;
  drift: ScheduleDrift[];
  errors: { subject: string; message: string }[];
}

/** Brings the schedules of all definitions up to date; with `dryRun` it changes nothing, and answers what it would do. */
export type ScheduleSync = (options: { dryRun: boolean; signal: AbortSignal }) => Promise<ScheduleSyncReport>;
