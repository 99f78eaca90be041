/** What the expressions of a run read, besides its context and the results of its tasks. Pure. */
import type { Values } from "../expression/scope.ts";
import type { TaskInput } from "../task/task.ts";

/** What a run knows of itself and does not tell its tasks. */
export interface RunFacts {
  /** RFC 3339 in UTC. */
  fired_at: string;
  version: number;
  rerun_of: string | null;
  trace_id: string;
  /** Due times that the run stands for besides its own. */
  compressed: number;
}

/**
 * The roots `event`, `events`, `trigger`, `run` and `now`. Times are RFC 3339 in UTC; `late_by` is in seconds.
 * @param gathered the events of a run that is about a window, as expressions read them; by default there is the run's own one, or none
 */
export function valuesOfRun({ run, event: own }: TaskInput, facts: RunFacts, gathered?: readonly unknown[]): Values {
  const { trigger: type, scheduled_for } = run;
  const { fired_at, version, rerun_of, trace_id, compressed } = facts;
  const late_by = scheduled_for === null ? null : Math.max(0, Date.parse(fired_at) - Date.parse(scheduled_for)) / 1000;
  const event = own && { ...own, trace_id };
  return {
    event,
    events: gathered ?? (event === null ? [] : [event]),
    trigger: { type, scheduled_for, fired_at, late_by, compressed },
    run: { ...run, version, rerun_of, trace_id },
    now: fired_at,
  };
}
