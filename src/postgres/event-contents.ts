/** What recorded events say, for whoever compares a second message of the same id with it. */
import { and, eq } from "drizzle-orm";
import type { EventContent, EventContentReader } from "../trigger/event/content.ts";
import type { EventOutcome } from "../trigger/ledger.ts";
import { type Database, guarded } from "./client.ts";
import { isAmong } from "./event-keys.ts";
import { eventKeys, events } from "./ledger-tables.ts";

export function createEventContentReader(db: Database): EventContentReader {
  return {
    async readContents(eventIds) {
      if (eventIds.length === 0) return new Map();
      const { type, source, subject, payload, outcome } = events;
      const rows = await guarded(
        db
          .select({ event_id: eventKeys.event_id, content: { type, source, subject, payload, outcome } })
          .from(eventKeys)
          .leftJoin(events, eq(events.row_id, eventKeys.row_id))
          .where(and(isAmong(eventIds), eq(eventKeys.provisional, false))),
      );
      return new Map(rows.map(({ event_id, content }) => [event_id, content && toContent(content)]));
    },
  };
}

/** A dead letter's `subject` is the one of the stream under which its message came. */
function toContent({ outcome, subject, ...content }: EventContent & { outcome: EventOutcome }): EventContent {
  return outcome === "dead_lettered" ? content : { ...content, subject: subject ?? null };
}
