/** What may come of an event, as a whole and for each activity that waits for its type (I3). */

/**
 * What came of an event. `received`: it owes runs, not all of them are started yet. `unmatched`: no definition waits for
 * its type. `dispatched`: every definition that waits for its type has its outcome, and the runs that are owed, if any,
 * are started. `dead_lettered`: it is kept, and reaches nothing.
 */
export const EVENT_OUTCOMES = ["received", "unmatched", "dispatched", "dead_lettered"] as const;
export type EventOutcome = (typeof EVENT_OUTCOMES)[number];
/**
 * What an event did to one activity of its type. `filtered`: a filter or the condition of its trigger does not hold.
 * `failed_expression`: that condition or a key could not be evaluated. `skipped`: it is disabled, or its flow lets no further run
 * begin. `duplicate`: another event is the same occasion (`dedupe_key_strategy`). `collected`: it waits for others in a window.
 * `queued`: its run waits for others.
 */
export const ACTIVITY_OUTCOMES = [
  "run",
  "filtered",
  "failed_expression",
  "skipped",
  "duplicate",
  "collected",
  "queued",
] as const;
export type ActivityOutcome = (typeof ACTIVITY_OUTCOMES)[number];

/** What somebody did about a dead letter: it was recorded as the event that it should have been, or is left as it is. */
export const SETTLEMENTS = ["replayed", "discarded"] as const;
export type Settlement = (typeof SETTLEMENTS)[number];
