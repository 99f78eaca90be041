/** Occurrences (I1): what may happen once, and the ids under which the engine knows it. */
import { stableHex, stableTraceId } from "../kernel/stable-id.ts";

/** What Temporal's tables hold, in bytes; they count characters, which are never more. */
const MAX_WORKFLOW_ID_BYTES = 255;
const HASH_LENGTH = 32;

/**
 * `due` is shared by cron, interval, one-shot and backfill, so that a backfill cannot run a due time again. `window` is that of events
 * that were gathered, and its key the id of their window.
 */
export type OccurrenceKind = "due" | "event" | "window" | "manual" | "rerun" | "replay" | "foreign";

/** What an occurrence is claimed by while its run waits for the gates of its activity: no workflow may claim it, and none is owed. */
export const QUEUED = "queued";

/** The workflow id of an event's run. Other programs rely on its form (docs/conventions.md, "Fixed names"). */
export function eventWorkflowId(activityId: string, eventId: string): string {
  return `activity-${activityId}:${eventId}`;
}

/** The key of a `due` occurrence: its instant, RFC 3339 in UTC with milliseconds. */
export function dueKey(due: Date): string {
  return due.toISOString();
}

/** The trace id of a run that no event with a trace of its own led to: its event's id makes it, or else its own. */
export function runTraceId(runId: string, eventId?: string | null): string {
  return stableTraceId(eventId ?? runId);
}

/** The base of the workflow ids of a schedule; Temporal appends the due time. */
export function scheduledWorkflowId(activityId: string): string {
  return `activity-${activityId}`;
}

/** The workflow id of a due time's run: the one that the engine gives it too, so that both start it once. */
export function dueWorkflowId(activityId: string, due: Date): string {
  return `${scheduledWorkflowId(activityId)}-${due.toISOString().replace(".000Z", "Z")}`;
}

/** The workflow id of a window's run. No event leads to it, whatever its id is. */
export function windowWorkflowId(activityId: string, windowId: string): string {
  return `${scheduledWorkflowId(activityId)}-window-${windowId}`;
}

/**
 * A workflow id that nobody has, for a run whose own is taken by a workflow of somebody else. No event and no due time leads
 * to it.
 */
export function unusedWorkflowId(activityId: string): string {
  return `${scheduledWorkflowId(activityId)}-run-${crypto.randomUUID()}`;
}

/** The same for a run that waited: the workflow that asked for it is over, and its id is used up. */
export function queuedWorkflowId(activityId: string, runId: string): string {
  return `${scheduledWorkflowId(activityId)}-run-${runId}`;
}

/**
 * The workflow id of the nth repetition of the run of workflow `id`. An id that would be longer than Temporal's tables hold,
 * as that of a long event id repeated often, ends in a hash of itself instead.
 */
export function rerunWorkflowId(id: string, number: number): string {
  return withSuffix(id, `:rerun-${number}`);
}

/**
 * The key of the nth replay of an event. The first one has the event's id, which is how it is known that there is one. No event's id
 * ends as the others do.
 */
export function replayKey(eventId: string, number: number): string {
  return number === 1 ? eventId : `${eventId}:replay-${number}`;
}

/** The workflow id of an activity's nth replay of an event. */
export function replayWorkflowId(activityId: string, eventId: string, number: number): string {
  return withSuffix(eventWorkflowId(activityId, eventId), `:replay-${number}`);
}

/** The workflow id of a run of workflow `id` that is opened again for the nth time. */
export function reopenedWorkflowId(id: string, number: number): string {
  return withSuffix(withoutReopening(id), `:retry-${number}`);
}

/** The workflow id that a run had before it was opened again, unless it was shortened. */
export function withoutReopening(id: string): string {
  return id.replace(/:retry-\d+$/, "");
}

function withSuffix(id: string, suffix: string): string {
  const bytes = Buffer.from(id);
  const room = MAX_WORKFLOW_ID_BYTES - suffix.length;
  if (bytes.length <= room) return id + suffix;
  // Leaves out a character that the cut has halved.
  const start = new TextDecoder().decode(bytes.subarray(0, room - HASH_LENGTH - 1), { stream: true });
  return `${start}~${stableHex(id, HASH_LENGTH)}${suffix}`;
}

/** Of what `rerunWorkflowId` made: the workflow id that it was made of. */
export function repeatedWorkflowId(id: string): string {
  return withoutReopening(id).replace(/:rerun-\d+$/, "");
}
