/** Event types in Postgres, as they are read; a sync writes them. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import type { EventType, EventTypeReader } from "../../event/event-type.ts";
import type { EnforcedTypeReader } from "../../event/payload-checks.ts";
import { type Database, guarded } from "../client.ts";
import { definitionRevision, eventTypes } from "../definition-tables.ts";

const live = isNull(eventTypes.retired_at);

export function createEnforcedTypeReader(db: Database): EnforcedTypeReader {
  return {
    async readRevision() {
      const [row] = await guarded(db.select().from(definitionRevision));
      return row?.revision ?? 0n;
    },
    async listEnforcedTypes() {
      const schema = sql<string>`${eventTypes.schema}::text`;
      return guarded(
        db.select({ name: eventTypes.name, schema }).from(eventTypes).where(and(live, eventTypes.enforce)),
      );
    },
  };
}

export function createEventTypeReader(db: Database): EventTypeReader {
  return {
    async list({ limit, after }) {
      const later = after === undefined ? undefined : gt(eventTypes.name, after);
      const query = db.select().from(eventTypes).where(and(live, later));
      return (await guarded(query.orderBy(asc(eventTypes.name)).limit(limit))).map(toEventType);
    },
    async find(name) {
      const [row] = await guarded(
        db
          .select()
          .from(eventTypes)
          .where(and(live, eq(eventTypes.name, name))),
      );
      return row && toEventType(row);
    },
  };
}

function toEventType(row: typeof eventTypes.$inferSelect): EventType {
  const { id, name, description, schema, enforce, version, source, created_at, updated_at } = row;
  return {
    id,
    name,
    description,
    schema,
    enforce,
    version,
    source,
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}
