/** What the expressions of a run would read on an occasion: the roots that postgres/run/run-state.ts makes of a run. Pure. */
import type { Activity } from "../definition/activity.ts";
import { toEventValue } from "../event/envelope.ts";
import type { Values } from "../expression/scope.ts";
import { runTraceId } from "../occurrence/occurrence.ts";
import type { Occasion } from "./occasion.ts";

/** Stands for an id that there is none of: of a run that is not made, or of a definition that is not stored. */
export const REHEARSED_ID = "00000000-0000-8000-8000-000000000000";

export function valuesOf({ event, envelope, due, firedAt, run }: Occasion, activity: Activity): Values {
  const run_id = run?.run_id ?? REHEARSED_ID;
  const scheduled_for = due?.toISOString() ?? null;
  const fired_at = firedAt.toISOString();
  const { calendar } = activity.trigger.type === "schedule" && due !== undefined ? activity.trigger : {};
  const trigger = run?.trigger ?? calendar?.trigger_type ?? event.trigger;
  const trace_id = envelope?.trace_id ?? runTraceId(run_id, envelope?.event_id);
  const late_by = due === undefined ? null : Math.max(0, firedAt.getTime() - due.getTime()) / 1000;
  return {
    event: envelope === undefined ? null : toEventValue({ ...envelope, trace_id }),
    trigger: { type: trigger, scheduled_for, fired_at, late_by, compressed: 0 },
    run: {
      ...{ run_id, activity_id: activity.id, activity_name: activity.name, trigger, scheduled_for },
      ...{ version: activity.version, rerun_of: null, trace_id },
    },
    now: fired_at,
  };
}
