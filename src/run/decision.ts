/** What a run decided of each task template of its activity, and why (I3). Stored in runs.decisions. */

export const TEMPLATE_OUTCOMES = ["made", "skipped", "waiting", "not_reached"] as const;

/** What is said of a template that made no tasks. */
export const TEMPLATE_WORDS = { skipped: "is skipped", waiting: "waits", not_reached: "is not reached" } as const;

/**
 * `made`: its tasks are recorded, `count` of them; they are done when the templates that it depends on are. `skipped`: by its
 * `when` (condition), or by how a dependency ended (dependency). `waiting`: it reads results that are not there yet. `not_reached`:
 * the run ended before it was decided.
 */
export interface TemplateDecision {
  key: string;
  outcome: (typeof TEMPLATE_OUTCOMES)[number];
  /** How many tasks were made. */
  count?: number;
  /** Of a `for_each`: how many of its items made no task, because the template's `when` was false for them. */
  left_out?: number;
  cause?: "condition" | "dependency";
  /** In words, with the values that decided it. */
  reason?: string;
}

export interface RunDecisions {
  /** Counts the times that the run decided: a later round is stored only after the one before it. */
  round: number;
  /** In the order of the definition. */
  templates: readonly TemplateDecision[];
}

/** What a rerun does again: everything, or only what did not succeed. */
export const RERUN_FROM = ["start", "failed"] as const;
export type RerunFrom = (typeof RERUN_FROM)[number];
