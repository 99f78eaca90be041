/** How the templates of a run ended, and what that means for those that depend on them. Pure. */
import type { ActivityTask } from "../definition/activity.ts";
import type { TemplateDecision } from "./decision.ts";
import { isOpen, type StandingTask } from "./task-instance.ts";

export type TemplateEnd = "succeeded" | "failed" | "skipped";

/**
 * `hold`: the template's tasks may be done. `open`: a template that it depends on is not over. Otherwise why they are not done.
 *
 * @param ends undefined for a template that is not over
 * @param failedBefore templates that failed, and those that were skipped because one before them failed: `any_failed` counts both
 */
export function judgeDependencies(
  { depends_on, run_when }: ActivityTask,
  ends: ReadonlyMap<string, TemplateEnd | undefined>,
  failedBefore: ReadonlySet<string>,
): "hold" | "open" | { reason: string } {
  if (depends_on.length === 0) return "hold";
  if (depends_on.some((key) => ends.get(key) === undefined)) return "open";
  if (run_when === "all_done") return "hold";
  if (run_when === "any_failed")
    return depends_on.some((key) => failedBefore.has(key))
      ? "hold"
      : { reason: `run_when is any_failed, and none of ${depends_on.join(", ")} failed` };
  const others = depends_on.filter((key) => ends.get(key) !== "succeeded");
  if (others.length === 0) return "hold";
  return { reason: others.map((key) => `${key} ${ends.get(key) === "failed" ? "failed" : "was skipped"}`).join(", ") };
}

/** Undefined while it is not over. A task that was cancelled counts as failed; no tasks at all count as succeeded. */
export function endOf(
  { outcome }: TemplateDecision,
  tasks: readonly StandingTask[],
  isReleased: boolean,
): TemplateEnd | undefined {
  if (outcome === "skipped") return "skipped";
  if (outcome !== "made" || !isReleased) return undefined;
  if (tasks.some(({ status }) => isOpen(status))) return undefined;
  return tasks.every(({ status }) => status === "succeeded") ? "succeeded" : "failed";
}

/** `tasks.KEY` of a template that is over: of a `for_each` a list, in the order of its items. */
export function resultOf({ for_each }: ActivityTask, end: TemplateEnd, tasks: readonly StandingTask[]): unknown {
  if (end === "skipped") return for_each === undefined ? { status: "skipped", result: null, error: null } : [];
  const inOrder = tasks.toSorted((a, b) => (a.instance ?? 0) - (b.instance ?? 0));
  return showTasks(inOrder, for_each !== undefined);
}

/** The tasks of one template as expressions read them: of a `for_each` a list, in the order that they are given in. */
export function showTasks(
  tasks: readonly Pick<StandingTask, "status" | "result" | "error">[],
  isList: boolean,
): unknown {
  const shown = tasks.map(({ status, result = null, error = null }) => ({ status, result, error }));
  return isList ? shown : shown[0];
}
