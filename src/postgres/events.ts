/** Events in Postgres: what arrived, what it reached, which runs it still owes. */
import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { EventTrigger } from "../definition/schema.ts";
import { stableTraceId, timeOrderedUuid } from "../stable-id.ts";
import type { Dispatch, EventLedger, MatchedEvent, RecordedEvent } from "../trigger/ledger.ts";
import { type Database, guarded } from "./client.ts";
import { definitionRevision, definitions, eventOutcomes, events, occurrences } from "./schema.ts";

export function createEventLedger(db: Database): EventLedger {
  return {
    async readRevision() {
      const [row] = await guarded(db.select().from(definitionRevision));
      return row?.revision ?? 0n;
    },

    async listSubscriptions() {
      const rows = await guarded(
        db
          .select({ id: definitions.id, name: definitions.name, body: definitions.body })
          .from(definitions)
          .where(
            and(eq(definitions.trigger_type, "event"), eq(definitions.enabled, true), isNull(definitions.deleted_at)),
          ),
      );
      return rows.map(({ id, name, body }) => ({
        activity_id: id,
        activity_name: name,
        trigger: body.trigger_config as EventTrigger,
      }));
    },

    async record(matched) {
      const inserted = await guarded(insertNew(db, matched));
      const fresh = matched.filter(({ envelope }) => inserted.has(envelope.event_id)).map(toRecorded);
      const known = matched.map(({ envelope }) => envelope.event_id).filter((id) => !inserted.has(id));
      return known.length === 0 ? fresh : [...fresh, ...(await guarded(readKnown(db, known)))];
    },

    async markDispatched(eventIds) {
      if (eventIds.length === 0) return;
      await guarded(
        db
          .update(events)
          .set({ outcome: "dispatched" })
          .where(and(inArray(events.event_id, [...eventIds]), eq(events.outcome, "received"))),
      );
    },

    async recordDeadLetter({ event_id, reason, detail, subject, raw }) {
      await guarded(
        db
          .insert(events)
          .values({
            event_id,
            outcome: "dead_lettered",
            reason,
            detail: detail.slice(0, 2000).replaceAll("\0", "\\u0000"),
            subject,
            trace_id: stableTraceId(event_id),
            raw,
          })
          .onConflictDoNothing(),
      );
    },
  };
}

/** One statement, one transaction: events, what they reached, and the occurrences that they claim. */
async function insertNew(db: Database, matched: readonly MatchedEvent[]): Promise<Set<string>> {
  const eventRows = matched.map(({ envelope, matches }) => ({
    ...envelope,
    outcome: matches.some(({ outcome }) => outcome === "run") ? "received" : "unmatched",
    payload: JSON.stringify(envelope.payload === undefined ? {} : envelope.payload),
    trace_id: envelope.trace_id ?? stableTraceId(envelope.event_id),
  }));
  const outcomeRows = matched.flatMap(({ envelope: { event_id }, matches }) =>
    matches.map(({ subscription: { activity_id, activity_name }, outcome, reason }) => ({
      event_id,
      activity_id,
      activity_name,
      outcome,
      reason,
      run_id: outcome === "run" ? timeOrderedUuid() : null,
    })),
  );
  // A payload travels as text within the rows: read as their JSON, its U+0000 and lone surrogates would be refused.
  // Rows go in by id order, so that two routers with overlapping groups wait for each other and do not deadlock.
  const rows = await db.execute<{ event_id: string }>(sql`
    with inserted as (
      insert into ${events} (event_id, outcome, type, source, subject, occurred_at, trace_id, payload)
      select event_id, outcome, type, source, subject, occurred_at, trace_id, payload::json
      from json_to_recordset(${JSON.stringify(eventRows)}::json) as e(
        event_id text, outcome text, type text, source text, subject text, occurred_at text, trace_id text, payload text)
      order by event_id
      on conflict do nothing
      returning event_id
    ), reached as (
      insert into ${eventOutcomes} (event_id, activity_id, activity_name, outcome, reason, run_id)
      select r.* from json_to_recordset(${JSON.stringify(outcomeRows)}::json) as r(
        event_id text, activity_id uuid, activity_name text, outcome text, reason text, run_id uuid)
      join inserted using (event_id)
      returning event_id, activity_id, outcome, run_id
    ), claimable as (
      insert into ${occurrences} (activity_id, kind, key, run_id, event_id)
      select activity_id, 'event', event_id, run_id, event_id from reached where outcome = 'run'
      order by activity_id, event_id
      on conflict do nothing
    )
    select event_id from inserted`);
  return new Set(rows.map(({ event_id }) => event_id));
}

function toRecorded({ envelope: { event_id }, matches }: MatchedEvent): RecordedEvent {
  const dispatches = matches
    .filter(({ outcome }) => outcome === "run")
    .map(({ subscription: { activity_id, activity_name } }): Dispatch => ({ activity_id, activity_name, event_id }));
  return { event_id, outcome: dispatches.length > 0 ? "received" : "unmatched", dispatches };
}

/** A retry reads what stands there: the matches of the first time, not those of today. */
async function readKnown(db: Database, eventIds: string[]): Promise<RecordedEvent[]> {
  const rows = await db
    .select({
      event_id: events.event_id,
      outcome: events.outcome,
      activity_id: eventOutcomes.activity_id,
      activity_name: eventOutcomes.activity_name,
    })
    .from(events)
    .leftJoin(
      eventOutcomes,
      and(
        eq(events.event_id, eventOutcomes.event_id),
        eq(eventOutcomes.outcome, "run"),
        eq(events.outcome, "received"),
      ),
    )
    .where(inArray(events.event_id, eventIds));
  return Map.groupBy(rows, ({ event_id }) => event_id)
    .values()
    .map((group): RecordedEvent => {
      const [{ event_id, outcome }] = group as [(typeof group)[number]];
      const dispatches = group.flatMap(({ activity_id, activity_name }) =>
        activity_id === null || activity_name === null ? [] : [{ activity_id, activity_name, event_id }],
      );
      return { event_id, outcome, dispatches };
    })
    .toArray();
}
