/** Occurrences and the ids that follow from them (I1). */
import { stableUuid } from "../stable-id.ts";

/** `due` is shared by cron, interval, one-shot and backfill, so that a backfill cannot run a due time again. */
export type OccurrenceKind = "due" | "event" | "manual" | "rerun" | "replay" | "foreign";

export interface Occurrence {
  activity_id: string;
  kind: OccurrenceKind;
  /** Due time (RFC 3339), dedupe key, or the id of the request or workflow. */
  key: string;
}

export function runIdOf({ activity_id, kind, key }: Occurrence): string {
  return stableUuid("run", activity_id, kind, key);
}

/** The workflow id of an event's run (design §4). */
export function eventWorkflowId(activityId: string, eventId: string): string {
  return `activity-${activityId}:${eventId}`;
}
