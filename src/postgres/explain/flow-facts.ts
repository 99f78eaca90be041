/** Reads what the flow of an activity made of an event: the holder of its dedupe key, and the window that gathered it. */
import { and, eq, inArray, sql } from "drizzle-orm";
import type { EventRow, Reached } from "../../explain/event-explanation.ts";
import type { ActivityHistory } from "../../explain/explained-activity.ts";
import { type DuplicateOf, type ExplainedWindow, findDedupeKeys } from "../../explain/explained-flow.ts";
import type { ExplainedRun } from "../../explain/explained-run.ts";
import type { WaitsFor } from "../../explain/waiting-view.ts";
import { type Database, guarded } from "../client.ts";
import { dedupeKeys, flowMembers, flowWindows } from "../flow-tables.ts";
import { eventKeys, eventOutcomes, runs } from "../ledger-tables.ts";
import { withTimesAsText } from "../schema.ts";
import { readWaits } from "./run-waits.ts";

/** Undefined where another event has taken the key since: the recorded reason names the one that counted. */
export async function findHolder(
  db: Database,
  { activity_id, outcome, reason }: Reached,
  { envelope, matchedAt }: EventRow,
  history: ActivityHistory,
): Promise<DuplicateOf | undefined> {
  if (outcome !== "duplicate" || envelope === undefined) return undefined;
  const keys = findDedupeKeys(history, matchedAt, envelope);
  if (keys.length === 0) return undefined;
  const { key, event_id, accepted_at, expires_at } = dedupeKeys;
  const until = sql<Date | null>`nullif(${expires_at}, 'infinity')`.mapWith(expires_at);
  const rows = await guarded(
    db
      .select({ event_id, key, accepted_at, until, outcome: eventOutcomes.outcome, run_id: eventOutcomes.run_id })
      .from(dedupeKeys)
      .leftJoin(eventKeys, eq(eventKeys.event_id, event_id))
      .leftJoin(
        eventOutcomes,
        and(eq(eventOutcomes.row_id, eventKeys.row_id), eq(eventOutcomes.activity_id, activity_id)),
      )
      .where(and(eq(dedupeKeys.activity_id, activity_id), inArray(key, keys))),
  );
  const holder = rows.find((row) => reason?.startsWith(`event ${row.event_id} has the dedupe key ${row.key}`));
  return holder && withTimesAsText(holder);
}

/** What a run waits for that is queued; undefined where it is about to begin. */
export async function findWait(db: Database, run: ExplainedRun | undefined): Promise<WaitsFor | undefined> {
  if (run?.status !== "queued") return undefined;
  const { run_id, activity_id, flow_key } = runs;
  const rows = await guarded(db.select({ run_id, activity_id, flow_key }).from(runs).where(eq(run_id, run.run_id)));
  return (await readWaits(db, rows)).get(run.run_id) ?? undefined;
}

/** The window of the activity that gathered the event of the row. */
export async function findWindow(
  db: Database,
  rowId: string,
  activityId: string,
): Promise<ExplainedWindow | undefined> {
  const { window_id, kind, events, max_events, opened_at, closes_at, closed_at } = flowWindows;
  const [row] = await guarded(
    db
      .select({ window_id, kind, events, max_events, opened_at, closes_at, closed_at })
      .from(flowMembers)
      .innerJoin(flowWindows, eq(window_id, flowMembers.window_id))
      .where(and(eq(flowMembers.row_id, rowId), eq(flowWindows.activity_id, activityId))),
  );
  return row && withTimesAsText(row);
}
