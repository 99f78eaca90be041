/** Reads what the explanation of a due time follows from. */
import { and, eq, sql } from "drizzle-orm";
import { findDueAround } from "../../explain/due-around.ts";
import type { DueTimeFacts, EventAround } from "../../explain/due-time-explanation.ts";
import { type DueTimeReader, type DueTimeView, describeDueTimes } from "../../explain/due-time-views.ts";
import { versionAt } from "../../explain/explained-activity.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { compileTypePattern, matchesType } from "../../match/type-pattern.ts";
import { dueKey } from "../../occurrence/occurrence.ts";
import { type Database, guarded } from "../client.ts";
import { listRecordedTypes } from "../event/recorded-types.ts";
import { dueProgress, events, occurrences } from "../ledger-tables.ts";
import { joinAbsence } from "../schedule/due-watch.ts";
import { findGoing, readHistory, readRepeats, readRuns } from "./explained-rows.ts";
import { findWait } from "./flow-facts.ts";

/** A pattern is compared with so many recorded types, and so many that it means are looked at. */
const MAX_TYPES = 1_000;
const MAX_MEANT = 50;
const [EVENTS_BEFORE, EVENTS_AFTER] = [5, 2];

type PauseRow = Record<"seen_paused_at" | "absent_from" | "absent_until", string | null>;

export async function readDueTimeFacts(
  db: Database,
  dueTimes: DueTimeReader,
  activityId: string,
  at: Date,
  now: Date,
): Promise<DueTimeFacts | undefined> {
  const history = await readHistory(db, activityId, at);
  if (history === undefined) return undefined;
  const around = findDueAround(history, at);
  const times = [around.previous, at, around.next].filter((time) => time !== undefined);
  const [views, pause] = await Promise.all([
    Promise.all(times.map((time) => describeOne(dueTimes, activityId, time, now))),
    readPause(db, activityId, now),
  ]);
  const view = views.find((one) => one?.scheduled_for === dueKey(at));
  const runId = view?.run_id ?? undefined;
  const isHeldBack = view?.outcome === "pending" || view?.reason === "overlap";
  const trigger = versionAt(history, new Date(at.getTime() - 1))?.body.trigger_config;
  const isOwn = view?.run_status != null && runId !== undefined;
  const [runs, repeats, holder, sweptRun, around_] = await Promise.all([
    readRuns(db, runId === undefined ? [] : [runId]),
    readRepeats(db, isOwn ? [runId] : []),
    isHeldBack ? findGoing(db, activityId, new Date(at.getTime() + (view?.delay_ms ?? 0)), runId) : undefined,
    view?.outcome === "expired" ? findOccurrence(db, activityId, at) : undefined,
    trigger?.trigger_type === "event" ? readEventsAround(db, trigger.event_type, at) : [],
  ]);
  const run = runId === undefined ? undefined : runs.get(runId);
  return {
    ...{ history, at, around, repeats, holder, sweptRun },
    views: views.filter((one) => one !== undefined),
    run,
    waitsFor: await findWait(db, run),
    ...pause,
    events: around_,
  };
}

async function describeOne(
  dueTimes: DueTimeReader,
  activityId: string,
  time: Date,
  now: Date,
): Promise<DueTimeView | undefined> {
  const facts = await dueTimes.readDueTimes(activityId, time, time, 2);
  return facts && describeDueTimes(facts, now, 2).find(({ scheduled_for }) => scheduled_for === dueKey(time));
}

async function readPause(
  db: Database,
  activityId: string,
  now: Date,
): Promise<Pick<DueTimeFacts, "seenPausedAt" | "absence">> {
  const [row] = await guarded(
    db.execute<PauseRow>(sql`
      select p.seen_paused_at, absent_from, absent_until from (select) one
        left join ${dueProgress} p on p.definition_id = ${activityId} ${joinAbsence(now)}`),
  );
  const { seen_paused_at = null, absent_from = null, absent_until = null } = row ?? {};
  return {
    seenPausedAt: seen_paused_at === null ? null : new Date(seen_paused_at),
    absence:
      absent_from === null
        ? undefined
        : { from: new Date(absent_from), ...(absent_until !== null && { until: new Date(absent_until) }) },
  };
}

/** The run of the due time, also where its row is not kept any more. */
async function findOccurrence(db: Database, activityId: string, at: Date): Promise<string | undefined> {
  const { activity_id, kind, key, run_id } = occurrences;
  const query = db.select({ run_id }).from(occurrences);
  const [row] = await guarded(query.where(and(eq(activity_id, activityId), eq(kind, "due"), eq(key, dueKey(at)))));
  return row?.run_id;
}

/** In the order in which they were recorded. */
async function readEventsAround(db: Database, eventType: string, at: Date): Promise<EventAround[]> {
  const pattern = compileTypePattern(eventType);
  const recorded = pattern.segments === undefined ? [pattern.text] : await listRecordedTypes(db, { limit: MAX_TYPES });
  const types = recorded.filter((type) => matchesType(pattern, type)).slice(0, MAX_MEANT);
  if (types.length === 0) return [];
  const first = firstUuidAt(at);
  const rows = await guarded(
    db.execute<EventAround>(sql`
      with wanted as (select type from json_array_elements_text(${JSON.stringify(types)}::json) as w(type)),
        before as (
          select e.* from wanted cross join lateral (
            select row_id, event_id, type, outcome, received_at from ${events} e
            where e.type = wanted.type and e.row_id < ${first}::uuid order by e.row_id desc limit ${EVENTS_BEFORE}) e
          order by row_id desc limit ${EVENTS_BEFORE}),
        after as (
          select e.* from wanted cross join lateral (
            select row_id, event_id, type, outcome, received_at from ${events} e
            where e.type = wanted.type and e.row_id >= ${first}::uuid order by e.row_id limit ${EVENTS_AFTER}) e
          order by row_id limit ${EVENTS_AFTER})
      select event_id, type, outcome, received_at from (table before union all table after) all_around order by row_id`),
  );
  return rows.map((row) => ({ ...row, received_at: new Date(row.received_at).toISOString() }));
}
