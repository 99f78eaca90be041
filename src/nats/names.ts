/** Names in NATS that others rely on. */
export const STREAM = "ACTIVITY_EVENTS";
export const SUBJECTS = "activity.>";
export const CONSUMER = "activity-core-event-router";
