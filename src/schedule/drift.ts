/**
 * What to tell the engine of one schedule, and what somebody did to it behind our back. Pure: from the plan, what the
 * engine was told last, and what it has.
 *
 *   - A pause that somebody made stays, also when the definition changes; it ends when they end it, or when the
 *     definition is disabled and enabled again.
 *   - Everything else is made equal to the plan: another spec, action or policy, a deletion, and the end of a pause
 *     that is ours.
 */
import { hashPlan, type SchedulePlan } from "./plan.ts";

/** What the engine was told last. */
export interface ToldSchedule {
  /** The version of the definition; null when the engine was told nothing yet. */
  version: number | null;
  /** The hash of the plan; null when the engine was told of no schedule. */
  plan_hash: string | null;
  paused: boolean;
  /** The hash of what the engine described then. */
  engine_hash: string | null;
}

export const TOLD_NOTHING: ToldSchedule = { version: null, plan_hash: null, paused: false, engine_hash: null };

/** What the engine has. */
export interface StandingSchedule {
  schedule_id: string;
  paused: boolean;
  /** The hash of how the engine describes spec, action and policies. */
  engine_hash: string;
  /** What the adapter needs for an update that loses no change of somebody else's. */
  mark: unknown;
}

export type ScheduleStep = { do: "nothing" | "create" | "pause" | "unpause" } | { do: "update"; paused: boolean };

export type DriftKind = "paused" | "unpaused" | "changed" | "deleted";

export interface ScheduleJudgement {
  step: ScheduleStep;
  /** Empty when nobody changed anything. */
  drift: DriftKind[];
}

/** `standing` is undefined when the engine has no such schedule. */
export function judgeSchedule(
  plan: SchedulePlan,
  told: ToldSchedule,
  standing: StandingSchedule | undefined,
): ScheduleJudgement {
  const known = told.plan_hash !== null;
  if (standing === undefined) return { step: { do: "create" }, drift: known ? ["deleted"] : [] };

  const drift: DriftKind[] = [];
  const changed = known && told.engine_hash !== null && told.engine_hash !== standing.engine_hash;
  if (changed) drift.push("changed");
  const theirPause = known && standing.paused && !told.paused;
  if (theirPause && !plan.paused) drift.push("paused");
  if (known && told.paused && plan.paused && !standing.paused) drift.push("unpaused");

  const paused = plan.paused || theirPause;
  if (changed || told.engine_hash === null || told.plan_hash !== hashPlan(plan))
    return { step: { do: "update", paused }, drift };
  if (paused === standing.paused) return { step: { do: "nothing" }, drift };
  return { step: { do: paused ? "pause" : "unpause" }, drift };
}

/** Whether the engine was told all that the plan says, as far as can be known without asking it. */
export function isTold(plan: SchedulePlan, told: ToldSchedule): boolean {
  return told.engine_hash !== null && told.plan_hash === hashPlan(plan) && told.paused === plan.paused;
}
