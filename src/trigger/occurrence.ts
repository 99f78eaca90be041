/** Occurrences (I1): what may happen once, and the ids under which the engine knows it. */

/** `due` is shared by cron, interval, one-shot and backfill, so that a backfill cannot run a due time again. */
export type OccurrenceKind = "due" | "event" | "manual" | "rerun" | "replay" | "foreign";

/** The workflow id of an event's run (design §4). */
export function eventWorkflowId(activityId: string, eventId: string): string {
  return `activity-${activityId}:${eventId}`;
}

/** The key of a `due` occurrence: its instant, RFC 3339 in UTC with milliseconds. */
export function dueKey(due: Date): string {
  return due.toISOString();
}

/** The workflow id of a due time's run: the one that the engine gives it too, so that both start it once. */
export function dueWorkflowId(activityId: string, due: Date): string {
  return `activity-${activityId}-${due.toISOString().replace(".000Z", "Z")}`;
}
