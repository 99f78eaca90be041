/** What the engine has to do of a task that has been tried. Pure. */
import type { TaskPolicy } from "../definition/activity.ts";
import type { TaskStep } from "./run.ts";

/**
 * What is left of a task after `attempts` tries, the last of which failed for now and may have said when to try again.
 * Undefined where no try is left.
 */
export function stepAfter(
  task_id: string,
  policy: TaskPolicy,
  attempts: number,
  waitMs?: number,
): TaskStep | undefined {
  const { max_attempts, initial_interval_ms, backoff_coefficient, max_interval_ms } = policy;
  if (attempts >= max_attempts) return undefined;
  const longest = Math.max(max_interval_ms, initial_interval_ms);
  const waitAfter = (tries: number) => Math.min(initial_interval_ms * backoff_coefficient ** (tries - 1), longest);
  return {
    ...{ task_id, ...policy, max_attempts: max_attempts - attempts },
    delay_ms: Math.round(waitMs ?? waitAfter(attempts)),
    initial_interval_ms: Math.round(waitAfter(attempts + 1)),
  };
}
