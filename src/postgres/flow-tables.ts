/** What events wait for, or are the same occasion as: dedupe keys, windows and their members. */
import { sql } from "drizzle-orm";
import { bigint, index, integer, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { actcore, time } from "./schema.ts";

/** Which event has a dedupe key of an activity, and until when. */
export const dedupeKeys = actcore.table(
  "dedupe_keys",
  {
    activity_id: uuid().notNull(),
    key: text().notNull(),
    event_id: text().notNull(),
    accepted_at: time("accepted_at").notNull().defaultNow(),
    expires_at: time("expires_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.activity_id, table.key] }),
    index("dedupe_keys_expires").on(table.expires_at),
  ],
);

/** Windows in which events of an activity are gathered into one run; at most one of a key is open. */
export const flowWindows = actcore.table(
  "flow_windows",
  {
    window_id: uuid().primaryKey(),
    activity_id: uuid().notNull(),
    flow_key: text().notNull(),
    kind: text().$type<"debounce" | "batch">().notNull(),
    /** It closes after so long without a further event, at the latest after so long, or with so many events. */
    quiet_ms: bigint({ mode: "number" }).notNull(),
    max_wait_ms: bigint({ mode: "number" }).notNull(),
    max_events: integer().notNull(),
    opened_at: time("opened_at").notNull().defaultNow(),
    /** When its newest event came. */
    last_at: time("last_at").notNull().defaultNow(),
    closes_at: time("closes_at").notNull(),
    events: integer().notNull(),
    /** Of their payloads. */
    bytes: bigint({ mode: "number" }).notNull(),
    closed_at: time("closed_at"),
    /** Null while it is open, and where it made no run. */
    run_id: uuid(),
    /** Why it made no run. */
    reason: text(),
  },
  (table) => [
    uniqueIndex("flow_windows_open").on(table.activity_id, table.flow_key).where(sql`closed_at is null`),
    index("flow_windows_closes").on(table.closes_at).where(sql`closed_at is null`),
  ],
);

/** The events of each window, in the order in which they were accepted. */
export const flowMembers = actcore.table(
  "flow_members",
  {
    window_id: uuid().notNull(),
    /** From 1. */
    position: integer().notNull(),
    row_id: uuid().notNull(),
    event_id: text().notNull(),
    /** Of its payload. */
    bytes: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.window_id, table.position] }), index("flow_members_event").on(table.row_id)],
);
