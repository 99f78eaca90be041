/**
 * The tables, all in the Postgres schema `actcore`: what is wanted (definition-tables.ts), and what happened
 * (ledger-tables.ts, task-tables.ts). `make migration` turns a change there into a new SQL file under migrations/; a migration that has
 * been released is never edited.
 *
 * User payloads are `json`, not `jsonb`: jsonb refuses U+0000 and lone surrogates, which are legal JSON.
 */
import { sql } from "drizzle-orm";
import { customType, pgSchema, timestamp } from "drizzle-orm/pg-core";

export const actcore = pgSchema("actcore");

/** Any JSON value. The client has parsed what comes (client.ts); drizzle's own type would parse a text in it once more. */
export const json = customType<{ data: unknown; driverData: unknown }>({
  dataType: () => "json",
  toDriver: (value) => JSON.stringify(value),
});

/** A row as REST answers it: its times are texts. */
type Answered<Row> = { [K in keyof Row]: Exclude<Row[K], Date> | (Date extends Row[K] ? string : never) };

/** Writes the times of a row in RFC 3339, in UTC with milliseconds. */
export function withTimesAsText<Row extends object>(row: Row): Answered<Row> {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Date ? value.toISOString() : value,
  ]);
  return Object.fromEntries(entries);
}

/** To the millisecond, as JavaScript's dates. */
export const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: "date" });

/** Runs or tasks that ended badly. Open ones are left out: they are few, and every row would pass through the index. */
export const endedBadly = sql`status in ('failed', 'skipped', 'cancelled')`;
