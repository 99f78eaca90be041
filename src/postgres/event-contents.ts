/** What recorded events say, for whoever compares a second message of the same id with it. */
import { and, eq, type SQL } from "drizzle-orm";
import type { EventContent, EventContentReader } from "../trigger/event/content.ts";
import type { EventOutcome } from "../trigger/ledger.ts";
import { type Database, guarded } from "./client.ts";
import { isAmong } from "./event-keys.ts";
import { eventKeys, events } from "./ledger-tables.ts";

export function createEventContentReader(db: Database): EventContentReader {
  return {
    async readContents(eventIds) {
      const stored = await readStored(db, eventIds, eq(eventKeys.provisional, false));
      return new Map(stored.map(({ event_id, content }) => [event_id, content]));
    },
  };
}

/** `content` is null where only the id is still kept. */
export interface StoredEvent {
  event_id: string;
  row_id: string;
  content: EventContent | null;
}

/** What stands under the ids, whoever brought it; only what `condition` holds for, where it is given. */
export async function readStored(db: Database, eventIds: readonly string[], condition?: SQL): Promise<StoredEvent[]> {
  if (eventIds.length === 0) return [];
  const { type, source, subject, payload, outcome } = events;
  const { event_id, row_id } = eventKeys;
  const rows = await guarded(
    db
      .select({ event_id, row_id, content: { type, source, subject, payload, outcome } })
      .from(eventKeys)
      .leftJoin(events, eq(events.row_id, eventKeys.row_id))
      .where(and(isAmong(eventIds), condition)),
  );
  return rows.map(({ content, ...row }) => ({ ...row, content: content && toContent(content) }));
}

/** What only foreign starts have brought, by its id: the stream's copy takes it over where that says the same. */
export async function readBrought(
  db: Database,
  eventIds: readonly string[],
): Promise<ReadonlyMap<string, EventContent | null>> {
  const stored = await readStored(db, eventIds, eq(eventKeys.provisional, true));
  return new Map(stored.map(({ event_id, content }) => [event_id, content]));
}

/** A dead letter's `subject` is the one of the stream under which its message came. */
function toContent({ outcome, subject, ...content }: EventContent & { outcome: EventOutcome }): EventContent {
  return outcome === "dead_lettered" ? content : { ...content, subject: subject ?? null };
}
