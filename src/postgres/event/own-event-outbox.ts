/** Events of actcore's own that are to be published, or were. */
import { and, asc, inArray, isNull, sql } from "drizzle-orm";
import { OWN_SOURCE, type OwnEvent, type OwnEventReader } from "../../event/own-event.ts";
import type { OwnEventOutbox, UnpublishedEvent } from "../../event/own-event-publisher.ts";
import { type Database, guarded, inChunks, type Postgres, type Transaction } from "../client.ts";
import { ownEvents } from "../ledger-tables.ts";

export const OWN_EVENTS_CHANNEL = "actcore_own_events";

/** Writes events in the transaction of what they tell of. Those that are there already stay as they are. */
export async function insertOwnEvents(tx: Transaction, events: readonly OwnEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({ ...event, depth: event.payload.depth, chain: event.payload.chain }));
  await inChunks(rows, (chunk) => tx.insert(ownEvents).values(chunk).onConflictDoNothing());
  await tx.execute(sql`select pg_notify(${OWN_EVENTS_CHANNEL}, '')`);
}

export function createOwnEventReader(db: Database): OwnEventReader {
  return {
    async readOwnEvents(eventIds) {
      const { event_id, type, subject, payload, cut_reason } = ownEvents;
      const query = db.select({ event_id, type, subject, payload }).from(ownEvents);
      const rows = await guarded(query.where(and(inArray(event_id, [...eventIds]), isNull(cut_reason))));
      return new Map(rows.map(({ event_id: id, ...said }) => [id, { ...said, source: OWN_SOURCE }]));
    },
  };
}

export function createOwnEventOutbox({ db, sql: client }: Postgres): OwnEventOutbox {
  const { event_id, type, subject, payload, created_at, published_at, cut_reason } = ownEvents;
  return {
    async listUnpublished(limit, after) {
      const isAfter =
        after &&
        sql`(${created_at}, ${event_id}) > (${after.created_at.toISOString()}::timestamptz, ${after.event_id})`;
      const query = db
        .select({ event_id, type, subject, payload, created_at })
        .from(ownEvents)
        .where(and(isNull(published_at), isNull(cut_reason), isAfter))
        .orderBy(asc(created_at), asc(event_id))
        .limit(limit);
      return (await guarded(query)) as UnpublishedEvent[];
    },

    async markPublished(eventIds) {
      if (eventIds.length === 0) return;
      await guarded(
        db
          .update(ownEvents)
          .set({ published_at: sql`now()` })
          .where(inArray(event_id, [...eventIds])),
      );
    },

    async onEvent(listener) {
      const { unlisten } = await guarded(client.listen(OWN_EVENTS_CHANNEL, listener));
      return unlisten;
    },
  };
}
