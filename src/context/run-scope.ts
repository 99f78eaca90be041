/** What every expression of a run may read, in its context sources as well as in its rules and tasks. */
import type { Scope } from "../expression/scope.ts";

/** The keys of an event, as event/envelope.ts makes them for expressions. */
export const EVENT_NAMES = [
  "event_id",
  "type",
  "source",
  "subject",
  "occurred_at",
  "trace_id",
  "attributes",
  "payload",
];

/** The keys of `trigger` and `run` are those that postgres/run/run-state.ts makes of a run, and rehearsal/values.ts of none. */
export const RUN_SCOPE = {
  roots: ["event", "events", "trigger", "run", "now"],
  names: {
    event: EVENT_NAMES,
    trigger: ["type", "scheduled_for", "fired_at", "late_by", "compressed"],
    run: ["run_id", "activity_id", "activity_name", "trigger", "scheduled_for", "version", "rerun_of", "trace_id"],
  },
} satisfies Scope;
