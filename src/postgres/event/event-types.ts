/** Event types in Postgres, as they are read; a sync writes them. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import type { EventTypeReader } from "../../event/event-type.ts";
import type { EnforcedTypeReader } from "../../event/payload-checks.ts";
import { type Database, guarded } from "../client.ts";
import { definitionRevision, eventTypes } from "../definition-tables.ts";
import { withTimesAsText } from "../schema.ts";

const live = isNull(eventTypes.retired_at);
const { id, name, description, schema, enforce, version, source, created_at, updated_at } = eventTypes;
const fields = { id, name, description, schema, enforce, version, source, created_at, updated_at };

export function createEnforcedTypeReader(db: Database): EnforcedTypeReader {
  return {
    async readRevision() {
      const [row] = await guarded(db.select().from(definitionRevision));
      return row?.revision ?? 0n;
    },
    async listEnforcedTypes() {
      const text = sql<string>`${schema}::text`;
      return guarded(db.select({ name, schema: text }).from(eventTypes).where(and(live, enforce)));
    },
  };
}

export function createEventTypeReader(db: Database): EventTypeReader {
  return {
    async list({ limit, after }) {
      const later = after === undefined ? undefined : gt(name, after);
      const query = db.select(fields).from(eventTypes).where(and(live, later));
      return (await guarded(query.orderBy(asc(name)).limit(limit))).map(withTimesAsText);
    },
    async find(wanted) {
      const query = db.select(fields).from(eventTypes);
      const [row] = await guarded(query.where(and(live, eq(name, wanted))));
      return row && withTimesAsText(row);
    },
  };
}
