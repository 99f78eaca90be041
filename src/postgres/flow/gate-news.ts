/**
 * Tells whoever lets runs begin (flow/gate-keeper.ts) of a line to look at: a run has come to wait in it, or one that was counted is
 * over. It is told with the commit, and what one transaction tells twice is told once.
 */
import { type SQL, sql } from "drizzle-orm";
import type { Line } from "../../flow/gate-keeper.ts";

export const GATES_CHANNEL = "actcore_gates";

/** A column of a statement, empty text: it must be among the columns that the statement reads, or in its `returning`. */
export function tellGates(activityId: SQL, flowKey: SQL): SQL {
  return sql`pg_notify(${sql.raw(`'${GATES_CHANNEL}'`)}, ${activityId}::text || ' ' || ${flowKey})::text`;
}

/** Of a closed run `r`: whether it was counted is known by its admission. */
export const TELL_IF_COUNTED: SQL = sql`case when r.admitted_at is not null then ${tellGates(sql`r.activity_id`, sql`r.flow_key`)} end`;

export function readNews(payload: string): Line {
  const end = payload.indexOf(" ");
  return { activity_id: payload.slice(0, end), flow_key: payload.slice(end + 1) };
}
