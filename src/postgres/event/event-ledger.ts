/** Events in Postgres: what arrived, what it reached, which runs it still owes. */
import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { DedupeInput, FlowInput } from "../../definition/flow.ts";
import type { EventTrigger } from "../../definition/schema.ts";
import { findDifferences } from "../../event/content.ts";
import type { EventLedger, MatchedEvent, RecordedEvent } from "../../event/event-ledger.ts";
import type { Match } from "../../event/match.ts";
import { eventWorkflowId } from "../../occurrence/occurrence.ts";
import type { OwedRun } from "../../run/engine.ts";
import { type Database, guarded, type Transaction } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { eventKeys, eventOutcomes, events, occurrences } from "../ledger-tables.ts";
import { recordDeadLetters } from "./dead-letters.ts";
import { contentsOf, isAmong, readStored } from "./event-contents.ts";
import { createEnforcedTypeReader } from "./event-types.ts";
import { createOwnEventReader } from "./own-event-outbox.ts";
import { insertNew } from "./record-statement.ts";

export function createEventLedger(db: Database): EventLedger {
  return {
    ...createEnforcedTypeReader(db),
    ...createOwnEventReader(db),

    async listSubscriptions() {
      const { id, name, enabled, version, body } = definitions;
      const trigger_config = sql<EventTrigger>`${body}->'trigger_config'`;
      const flow = sql<FlowInput | null>`${body}->'flow'`;
      const dedupe_key_strategy = sql<DedupeInput | null>`${body}->'dedupe_key_strategy'`;
      const live = and(eq(definitions.trigger_type, "event"), isNull(definitions.deleted_at));
      return guarded(
        db
          .select({ id, name, enabled, version, trigger_config, flow, dedupe_key_strategy })
          .from(definitions)
          .where(live),
      );
    },

    record: (matched) => recordAll(db, matched),

    async markDispatched(eventIds) {
      if (eventIds.length === 0) return;
      await guarded(
        db
          .update(events)
          .set({ outcome: "dispatched" })
          .where(and(inArray(events.row_id, rowsOf(db, eventIds)), eq(events.outcome, "received"))),
      );
    },

    recordDeadLetters: (letters) => recordDeadLetters(db, letters),
  };
}

/** `takenOver`: ids whose keys are provisional, and whose events say the same as those that stand there. */
export async function recordAll(
  db: Database | Transaction,
  matched: readonly MatchedEvent[],
  takenOver: ReadonlySet<string> = new Set(),
): Promise<RecordedEvent[]> {
  const inserted = await insertNew(db, matched, takenOver);
  const recorded = matched.flatMap(({ envelope: { event_id }, outcome }): RecordedEvent[] => {
    const matches = inserted.get(event_id);
    return matches ? [{ event_id, outcome, isNew: true, content: null, matches, owed: owedBy(event_id, matches) }] : [];
  });
  const others = matched.filter(({ envelope }) => !inserted.has(envelope.event_id));
  if (others.length === 0) return recorded;
  const ids = others.map(({ envelope }) => envelope.event_id);
  const [known, stored] = await Promise.all([readKnown(db, ids), readStored(db, ids)]);
  const standing = new Map(known.map((event) => [event.event_id, event]));
  const contents = contentsOf(stored, { provisional: false });
  const brought = contentsOf(stored, { provisional: true });
  const again: MatchedEvent[] = [];
  for (const event of others) {
    const { event_id } = event.envelope;
    const before = standing.get(event_id);
    const content = (before ? contents : brought).get(event_id) ?? null;
    if (before) recorded.push({ ...before, isNew: false, content });
    else if (findDifferences(content, event.envelope).length === 0) again.push(event);
    // It says something else than what a foreign start brought under its id.
    else recorded.push({ event_id, outcome: "dispatched", isNew: false, content, owed: [] });
  }
  if (again.length === 0) return recorded;
  // Also what a foreign start stored after this statement's snapshot was taken: the next one sees it.
  return [...recorded, ...(await recordAll(db, again, new Set(brought.keys())))];
}

function rowsOf(db: Database, eventIds: readonly string[]) {
  return db.select({ row_id: eventKeys.row_id }).from(eventKeys).where(isAmong(eventIds));
}

function owedBy(event_id: string, matches: readonly Match[]): OwedRun[] {
  return matches.filter(({ outcome }) => outcome === "run").map((match) => toOwedRun(match, event_id));
}

/** `workflow_id` where another one than the event's was recorded. */
export function toOwedRun(
  { activity_id, activity_name }: { activity_id: string; activity_name: string },
  event_id: string,
  workflow_id: string | null = null,
): OwedRun {
  return {
    activity_id,
    activity_name,
    workflow_id: workflow_id ?? eventWorkflowId(activity_id, event_id),
    trigger_event: { event_id },
  };
}

/**
 * A retry reads what stands there: the matches of the first time, not those of today. What only a foreign start has
 * recorded is not there yet. A run that a workflow has claimed, the router's or a foreign one, is not owed any more.
 */
export async function readKnown(
  db: Database | Transaction,
  eventIds: readonly string[],
): Promise<Omit<RecordedEvent, "isNew" | "content">[]> {
  const query = db
    .select({
      event_id: eventKeys.event_id,
      outcome: events.outcome,
      activity_id: eventOutcomes.activity_id,
      activity_name: eventOutcomes.activity_name,
      run_id: occurrences.run_id,
      workflow_id: occurrences.workflow_id,
    })
    .from(eventKeys)
    .leftJoin(events, eq(events.row_id, eventKeys.row_id))
    .leftJoin(
      eventOutcomes,
      and(eq(eventOutcomes.row_id, eventKeys.row_id), eq(eventOutcomes.outcome, "run"), eq(events.outcome, "received")),
    )
    .leftJoin(
      occurrences,
      and(
        eq(occurrences.activity_id, eventOutcomes.activity_id),
        eq(occurrences.kind, "event"),
        eq(occurrences.key, eventKeys.event_id),
        isNull(occurrences.claimed_by),
      ),
    )
    .where(and(isAmong(eventIds), eq(eventKeys.provisional, false)));
  return Map.groupBy(await guarded(query), ({ event_id }) => event_id)
    .values()
    .map((group) => {
      const [{ event_id, outcome }] = group as [(typeof group)[number]];
      const owed = group.flatMap(({ activity_id, activity_name, run_id, workflow_id }) =>
        activity_id === null || activity_name === null || run_id === null
          ? []
          : [toOwedRun({ activity_id, activity_name }, event_id, workflow_id)],
      );
      // Retention has removed the event and kept its key: it was settled long ago.
      return { event_id, outcome: outcome ?? "dispatched", owed };
    })
    .toArray();
}
