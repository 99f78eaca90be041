/** The condition by which events are found by their ids. */
import { type SQL, sql } from "drizzle-orm";
import { eventKeys } from "../ledger-tables.ts";

/** One parameter for however many ids: the statement's text stays the same. */
export function isAmong(eventIds: readonly string[]): SQL {
  return sql`${eventKeys.event_id} in (select json_array_elements_text(${JSON.stringify(eventIds)}::json))`;
}
