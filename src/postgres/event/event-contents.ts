/** What recorded events say, for whoever compares a second message of the same id with it. */
import { eq, type SQL, sql } from "drizzle-orm";
import type { EventContent, EventContentReader } from "../../event/content.ts";
import type { EventEnvelope } from "../../event/envelope.ts";
import type { EventOutcome } from "../../event/outcome.ts";
import { type Database, guarded, type Transaction } from "../client.ts";
import { eventKeys, events } from "../ledger-tables.ts";

export function createEventContentReader(db: Database): EventContentReader {
  return {
    async readContents(eventIds) {
      return contentsOf(await readStored(db, eventIds), { provisional: false });
    },
  };
}

/** `content` is null where only the id is still kept. */
export interface StoredEvent {
  event_id: string;
  row_id: string;
  /** Whether only foreign starts have brought it: the stream's copy takes it over where that says the same. */
  provisional: boolean;
  content: EventContent | null;
}

/** What is recorded under the ids, by the stream or by a foreign start. */
export async function readStored(db: Database | Transaction, eventIds: readonly string[]): Promise<StoredEvent[]> {
  if (eventIds.length === 0) return [];
  const { type, source, subject, payload, outcome } = events;
  const { event_id, row_id, provisional } = eventKeys;
  const rows = await guarded(
    db
      .select({ event_id, row_id, provisional, content: { type, source, subject, payload, outcome } })
      .from(eventKeys)
      .leftJoin(events, eq(events.row_id, eventKeys.row_id))
      .where(isAmong(eventIds)),
  );
  return rows.map(({ content, ...row }) => ({ ...row, content: content && toContent(content) }));
}

/** The event as it was sent; undefined where it is not kept. */
export async function readEnvelope(db: Database | Transaction, eventId: string): Promise<EventEnvelope | undefined> {
  const { event_id, type, source, subject, occurred_at, trace_id, attributes, payload } = events;
  const [row] = await db
    .select({ event_id, type, source, subject, occurred_at, trace_id, attributes, payload })
    .from(eventKeys)
    .innerJoin(events, eq(events.row_id, eventKeys.row_id))
    .where(eq(eventKeys.event_id, eventId));
  return row && toEnvelope(row);
}

/** A recorded event, of which a dead letter may lack any field. */
export type EnvelopeRow = Pick<
  typeof events.$inferSelect,
  "event_id" | "type" | "source" | "subject" | "occurred_at" | "trace_id" | "attributes" | "payload"
>;

/** The event as it was sent: what it had not is left out, and what a dead letter lacks is empty. */
export function toEnvelope({ event_id, type, source, subject, occurred_at, ...row }: EnvelopeRow): EventEnvelope {
  const { trace_id, attributes, payload } = row;
  return {
    ...{ event_id, type: type ?? "", source: source ?? "", occurred_at: occurred_at ?? "", trace_id, payload },
    ...(subject !== null && { subject }),
    ...(attributes !== null && { attributes }),
  };
}

/** By ids. One parameter for however many there are: the statement's text stays the same. */
export function isAmong(eventIds: readonly string[]): SQL {
  return sql`${eventKeys.event_id} in (select json_array_elements_text(${JSON.stringify(eventIds)}::json))`;
}

/** The contents by event id: of events that only foreign starts have brought (`provisional`), or of all others. */
export function contentsOf(
  stored: readonly StoredEvent[],
  { provisional }: Pick<StoredEvent, "provisional">,
): ReadonlyMap<string, EventContent | null> {
  const wanted = stored.filter((event) => event.provisional === provisional);
  return new Map(wanted.map(({ event_id, content }) => [event_id, content]));
}

/** A dead letter's `subject` is the one of the stream under which its message came. */
function toContent({ outcome, subject, ...content }: EventContent & { outcome: EventOutcome }): EventContent {
  return outcome === "dead_lettered" ? content : { ...content, subject: subject ?? null };
}
