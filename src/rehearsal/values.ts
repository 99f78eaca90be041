/** What the expressions of a run would read on an occasion. Pure. */
import type { Activity } from "../definition/activity.ts";
import { toEventValue } from "../event/envelope.ts";
import type { Values } from "../expression/scope.ts";
import { runTraceId } from "../occurrence/occurrence.ts";
import { valuesOfRun } from "../run/values.ts";
import type { Occasion } from "./occasion.ts";

/** Stands for an id that does not exist: of a run that is not made, or of a definition that is not stored. */
export const REHEARSED_ID = "00000000-0000-8000-8000-000000000000";

export function valuesOf({ event, envelope, gathered, due, firedAt, run }: Occasion, activity: Activity): Values {
  const run_id = run?.run_id ?? REHEARSED_ID;
  const scheduled_for = due?.toISOString() ?? null;
  const { calendar } = activity.trigger.type === "schedule" && due !== undefined ? activity.trigger : {};
  const trigger = run?.trigger ?? calendar?.trigger_type ?? event.trigger;
  return valuesOfRun(
    {
      run: { run_id, activity_id: activity.id, activity_name: activity.name, trigger, scheduled_for },
      event: envelope === undefined ? null : toEventValue(envelope),
    },
    {
      fired_at: firedAt.toISOString(),
      version: activity.version,
      rerun_of: null,
      trace_id: envelope?.trace_id ?? runTraceId(run_id, envelope?.event_id),
      compressed: 0,
    },
    gathered?.map(toEventValue),
  );
}
