/** Occurrences (I1): what may happen once, and the ids under which the engine knows it. */

/** `due` is shared by cron, interval, one-shot and backfill, so that a backfill cannot run a due time again. */
export type OccurrenceKind = "due" | "event" | "manual" | "rerun" | "replay" | "foreign";

/** The workflow id of an event's run (design §4). */
export function eventWorkflowId(activityId: string, eventId: string): string {
  return `activity-${activityId}:${eventId}`;
}
