/** How a task stands that a person has to do. The first two are open; each of the others is final. */
export const HUMAN_STATES = ["open", "claimed", "completed", "rejected", "expired", "cancelled"] as const;
export type HumanState = (typeof HUMAN_STATES)[number];
