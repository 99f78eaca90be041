/** Events in Postgres: what arrived, what it reached, which runs it still owes. */
import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { DedupeInput, FlowInput } from "../../definition/flow.ts";
import type { EventTrigger } from "../../definition/schema.ts";
import { findDifferences } from "../../event/content.ts";
import type { EventLedger, MatchedEvent, RecordedEvent } from "../../event/event-ledger.ts";
import { stableTraceId } from "../../kernel/stable-id.ts";
import { eventWorkflowId } from "../../occurrence/occurrence.ts";
import type { OwedRun } from "../../run/engine.ts";
import { type Database, guarded, inTransaction, storableText } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { eventKeys, eventOutcomes, events, occurrences } from "../ledger-tables.ts";
import { contentsOf, isAmong, readStored } from "./event-contents.ts";
import { createEnforcedTypeReader } from "./event-types.ts";

export function createEventLedger(db: Database): EventLedger {
  return {
    ...createEnforcedTypeReader(db),

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

    async recordDeadLetter({ event_id, reason, detail, subject, raw, envelope, carried_id = null }) {
      // A message that says something else than the event of a foreign start is another event, and takes nothing over.
      if (envelope !== undefined) {
        const [stored] = await readStored(db, [event_id]);
        if (stored?.provisional && findDifferences(stored.content, envelope).length > 0) return false;
      }
      const row_id = Bun.randomUUIDv7();
      const row = {
        row_id,
        event_id,
        outcome: "dead_lettered" as const,
        reason,
        detail: storableText(detail.slice(0, 2000)),
        subject,
        type: envelope?.type ?? null,
        source: envelope?.source ?? null,
        occurred_at: envelope?.occurred_at ?? null,
        // A foreign start of the same event may still read it.
        payload: envelope === undefined ? null : (envelope.payload ?? {}),
        trace_id: envelope?.trace_id ?? stableTraceId(event_id),
        raw,
        carried_id,
      };
      return await inTransaction(db, async (tx) => {
        const [key] = await tx
          .insert(eventKeys)
          .values({ event_id, row_id })
          .onConflictDoUpdate({
            target: eventKeys.event_id,
            set: { provisional: false },
            setWhere: eq(eventKeys.provisional, true),
          })
          .returning({ row_id: eventKeys.row_id });
        if (key === undefined) return false;
        if (key.row_id === row_id) await tx.insert(events).values(row);
        // The run that a foreign start made of it goes on reading what that start brought.
        else
          await tx
            .update(events)
            .set({ outcome: row.outcome, reason, detail: row.detail, raw })
            .where(eq(events.row_id, key.row_id));
        return true;
      });
    },
  };
}

/** `takenOver`: ids that a foreign start has taken, whose events say the same as those it brought. */
async function recordAll(
  db: Database,
  matched: readonly MatchedEvent[],
  takenOver: ReadonlySet<string> = new Set(),
): Promise<RecordedEvent[]> {
  const inserted = await guarded(insertNew(db, matched, takenOver));
  const recorded = matched.filter(({ envelope }) => inserted.has(envelope.event_id)).map(toRecorded);
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

/**
 * One statement, one transaction: keys, events, what they reached, and the occurrences that they claim. Keys go in by the
 * order of the ids, so that two routers with overlapping groups wait for each other and do not deadlock. A key that a
 * foreign start has taken is taken over where it is among `takenOver`: its row stays, because a run reads it, and what that
 * start did not reach is added. Answers the events that are all new.
 */
async function insertNew(
  db: Database,
  matched: readonly MatchedEvent[],
  takenOver: ReadonlySet<string>,
): Promise<Set<string>> {
  const eventRows = matched.map(({ envelope, outcome }) => ({
    ...envelope,
    row_id: Bun.randomUUIDv7(),
    takes_over: takenOver.has(envelope.event_id),
    outcome,
    payload: JSON.stringify(envelope.payload === undefined ? {} : envelope.payload),
    trace_id: envelope.trace_id ?? stableTraceId(envelope.event_id),
  }));
  const outcomeRows = matched.flatMap(({ envelope: { event_id }, matches }) =>
    matches.map((match) => ({ ...match, event_id, run_id: match.outcome === "run" ? Bun.randomUUIDv7() : null })),
  );
  // A payload travels as text within the rows: read as their JSON, its U+0000 and lone surrogates would be refused.
  const rows = await db.execute<{ event_id: string }>(sql`
    with input as (
      select * from json_to_recordset(${JSON.stringify(eventRows)}::json) as e(row_id uuid, takes_over boolean, event_id text,
        outcome text, type text, source text, subject text, occurred_at text, trace_id text, payload text)
    ), keyed as (
      insert into ${eventKeys} as k (event_id, row_id) select event_id, row_id from input order by event_id
      on conflict (event_id) do update set provisional = false,
        row_id = coalesce((select e.row_id from ${events} e where e.row_id = k.row_id), excluded.row_id)
        where k.provisional and exists (select from ${eventKeys} seen where seen.event_id = k.event_id)
          and (select takes_over from input where input.event_id = k.event_id)
      returning event_id, row_id
    ), inserted as (
      insert into ${events} (row_id, event_id, outcome, type, source, subject, occurred_at, trace_id, payload)
      select row_id, event_id, outcome, type, source, subject, occurred_at, trace_id, payload::json
      from input join keyed using (row_id, event_id)
    ), entry as (
      select event_id, k.row_id, k.row_id = i.row_id as is_new, i.outcome from keyed k join input i using (event_id)
    ), raised as (
      update ${events} e set outcome = t.outcome from entry t
      where not t.is_new and t.outcome = 'received' and e.row_id = t.row_id
    ), matched as (
      select e.row_id, event_id, r.activity_id, r.activity_name, r.outcome, r.reason, r.run_id
      from json_to_recordset(${JSON.stringify(outcomeRows)}::json) as r(
        event_id text, activity_id uuid, activity_name text, outcome text, reason text, run_id uuid)
      join entry e using (event_id)
      where e.is_new or (select true from ${eventOutcomes} o where o.row_id = e.row_id and o.activity_id = r.activity_id) is null
    ), claimable as (
      insert into ${occurrences} (activity_id, kind, key, run_id, event_id)
      select activity_id, 'event', event_id, run_id, event_id from matched
      where run_id is not null
      order by activity_id, event_id
      on conflict do nothing
      returning activity_id, key, run_id
    ), reached as (
      insert into ${eventOutcomes} (row_id, activity_id, activity_name, outcome, reason, run_id)
      select m.row_id, m.activity_id, m.activity_name, m.outcome, m.reason,
        -- Where the occurrence was there already, this is the run that has it.
        case when m.run_id is not null then coalesce(c.run_id, (select o.run_id from ${occurrences} o
          where o.activity_id = m.activity_id and o.kind = 'event' and o.key = m.event_id), m.run_id) end
      from matched m left join claimable c on c.activity_id = m.activity_id and c.key = m.event_id
      -- A foreign start of the activity with this event was recorded in the same moment: its run is the event's.
      on conflict do nothing
    )
    select event_id from entry where is_new`);
  return new Set(rows.map(({ event_id }) => event_id));
}

function toRecorded({ envelope: { event_id }, matches, outcome }: MatchedEvent): RecordedEvent {
  const owed = matches.filter((match) => match.outcome === "run").map((match) => toOwedRun(match, event_id));
  return { event_id, outcome, isNew: true, content: null, owed };
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
  db: Database,
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
