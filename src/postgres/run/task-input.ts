/** What a task is about, read with a run `r`: the run itself and its event. */
import { type SQL, sql } from "drizzle-orm";
import type { TaskInput } from "../../task/task.ts";
import { eventKeys, events, type runs } from "../ledger-tables.ts";

type Run = typeof runs.$inferSelect;
export type InputRow = Pick<Run, "run_id" | "activity_id" | "activity_name" | "trigger" | "trace_id" | "event_id"> &
  Pick<typeof events.$inferSelect, "source" | "occurred_at" | "subject" | "attributes" | "payload"> & {
    scheduled_for: string | null;
    event_type: string | null;
  };

export const INPUT_COLUMNS: SQL = sql`r.run_id, r.activity_id, r.activity_name, r.trigger, r.trace_id,
  to_char(r.scheduled_for at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as scheduled_for,
  r.event_id, e.type as event_type, e.source, e.occurred_at, e.subject, e.attributes, e.payload`;

/** To be joined to the run `r`. */
export const INPUT_EVENT: SQL = sql`left join ${eventKeys} k on k.event_id = r.event_id
  left join ${events} e on e.row_id = k.row_id`;

export function toTaskInput(row: InputRow): TaskInput {
  const { run_id, activity_id, activity_name, trigger, scheduled_for, event_id, subject, payload } = row;
  const { event_type, source, occurred_at, attributes } = row;
  const event = {
    ...{ type: event_type ?? "", source: source ?? "", occurred_at: occurred_at ?? "", subject },
    ...{ attributes: attributes ?? {}, payload },
  };
  return {
    run: { run_id, activity_id, activity_name, trigger, scheduled_for },
    event: event_id === null ? null : { event_id, ...event },
  };
}
