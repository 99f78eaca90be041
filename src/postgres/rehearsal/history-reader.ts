/** What rehearsals read of the ledger. Every statement here only reads. */
import { and, between, desc, eq, gte, isNull, lt, ne, not, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { OWN_EVENT_IDS } from "../../event/envelope.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { dueKey } from "../../occurrence/occurrence.ts";
import type { HistoryReader, RecordedEvent, RecordedRun } from "../../rehearsal/history.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { toEnvelope } from "../event/event-contents.ts";
import { listRecordedTypes } from "../event/recorded-types.ts";
import { flowMembers } from "../flow-tables.ts";
import { eventKeys, events, occurrences, runs } from "../ledger-tables.ts";
import { tasks } from "../task-tables.ts";

const { row_id, event_id, type, source, occurred_at, subject, trace_id, attributes, payload, received_at } = events;
export const eventFields = {
  row_id,
  event_id,
  type,
  source,
  occurred_at,
  subject,
  trace_id,
  attributes,
  payload,
  received_at,
};
type EventRow = Pick<typeof events.$inferSelect, keyof typeof eventFields>;

const runFields = {
  run_id: runs.run_id,
  activity_id: runs.activity_id,
  trigger: runs.trigger,
  event_id: runs.event_id,
  scheduled_for: runs.scheduled_for,
  fired_at: runs.fired_at,
  version_used: runs.version_used,
  window_id: runs.window_id,
  context_snapshot: runs.context_snapshot,
  context_sources: runs.context_sources,
};
type RunRow = Pick<typeof runs.$inferSelect, keyof typeof runFields>;

/** What the router matched: no dead letters, and nothing that was brought for one activity alone. */
export const cameByStream = and(
  ne(events.outcome, "dead_lettered"),
  not(sql`starts_with(${events.event_id}, ${OWN_EVENT_IDS.manual})`),
  not(sql`starts_with(${events.event_id}, ${OWN_EVENT_IDS.foreign})`),
);

export function createHistoryReader(db: Database): HistoryReader {
  return {
    listTypes: (page) => listRecordedTypes(db, page),

    async listEvents(wanted, { since, after, limit }) {
      const isOnPage = and(
        eq(type, wanted),
        gte(row_id, firstUuidAt(since)),
        after === undefined ? undefined : lt(row_id, after),
      );
      const bytes = sql<number>`coalesce(octet_length(${payload}::text), 0)`;
      const query = db
        .select({ ...eventFields, bytes })
        .from(events)
        .where(and(isOnPage, cameByStream));
      const rows = await guarded(query.orderBy(desc(row_id)).limit(limit));
      return rows.map(({ bytes, ...row }) => ({ ...toRecordedEvent(row), bytes }));
    },

    async listLastEvents(types, limit) {
      const newest = db
        .select({ row_id })
        .from(events)
        .where(and(sql`${type} = wanted.type`, cameByStream))
        .orderBy(desc(row_id))
        .limit(limit);
      const found = sql`(select newest.row_id from json_array_elements_text(${JSON.stringify(types)}::json) as wanted(type)
        cross join lateral (${newest}) newest order by newest.row_id desc limit ${limit})`;
      const query = db.select(eventFields).from(events).where(sql`${row_id} in ${found}`);
      return (await guarded(query.orderBy(desc(row_id)))).map(toRecordedEvent);
    },

    async findEvent(eventId) {
      const query = db.select(eventFields).from(eventKeys).innerJoin(events, eq(row_id, eventKeys.row_id));
      const [row] = await guarded(
        query.where(and(eq(eventKeys.event_id, eventId), ne(events.outcome, "dead_lettered"))),
      );
      return row && toRecordedEvent(row);
    },

    async findRun(runId) {
      const [row] = await guarded(db.select(runFields).from(runs).where(eq(runs.run_id, runId)));
      return row && toRecordedRun(row);
    },

    async listGathered(windowId) {
      const query = db.select(eventFields).from(flowMembers).innerJoin(events, eq(row_id, flowMembers.row_id));
      const rows = await guarded(query.where(eq(flowMembers.window_id, windowId)).orderBy(flowMembers.position));
      return rows.map((row) => toRecordedEvent(row).envelope);
    },

    async listTasks(runId) {
      const { key, instance, status, result, error } = tasks;
      return guarded(db.select({ key, instance, status, result, error }).from(tasks).where(eq(tasks.run_id, runId)));
    },

    async listRunsOfEvents(activityIds, eventIds) {
      return listRuns(
        and(
          eq(occurrences.kind, "event"),
          isAmong(occurrences.activity_id, activityIds),
          isAmong(occurrences.key, eventIds),
        ),
      );
    },

    async listRunsOfDueTimes(activityId, from, to) {
      const isInRange = between(occurrences.key, dueKey(from), dueKey(to));
      return listRuns(and(eq(occurrences.activity_id, activityId), eq(occurrences.kind, "due"), isInRange));
    },

    async listEnabled(ids) {
      const { id, enabled, enabled_override, deleted_at } = definitions;
      const query = db.select({ id, enabled, enabled_override }).from(definitions);
      const rows = await guarded(query.where(and(isAmong(id, ids), isNull(deleted_at))));
      return new Map(rows.map(({ id, ...state }) => [id, state]));
    },
  };

  async function listRuns(condition: SQL | undefined): Promise<RecordedRun[]> {
    const query = db.select(runFields).from(occurrences).innerJoin(runs, eq(runs.run_id, occurrences.run_id));
    return (await guarded(query.where(condition))).map(toRecordedRun);
  }
}

/** One parameter for however many there are. */
function isAmong(column: PgColumn, values: readonly string[]): SQL {
  const cast = column.getSQLType() === "uuid" ? sql`::uuid` : sql``;
  return sql`${column} in (select json_array_elements_text(${JSON.stringify(values)}::json)${cast})`;
}

export function toRecordedEvent({ row_id, received_at, ...row }: EventRow): RecordedEvent {
  return { row_id, received_at, envelope: toEnvelope(row) };
}

function toRecordedRun({ context_snapshot, context_sources, ...run }: RunRow): RecordedRun {
  const values = (context_snapshot ?? {}) as Record<string, unknown>;
  return { ...run, context: context_sources === null ? null : { values, sources: context_sources } };
}
