/** When a window closes, in SQL: whoever adds a member, and whoever closes it, must reckon alike. */
import { type SQL, sql } from "drizzle-orm";
import { MAX_WINDOW_BYTES } from "../../definition/flow.ts";

/** On which whoever closes windows is woken. */
export const WINDOWS_CHANNEL = "actcore_flow_windows";

interface WindowState {
  events: SQL;
  bytes: SQL;
  /** When its first event came, and its newest. */
  opened: SQL;
  last: SQL;
  /** The row with `quiet_ms`, `max_wait_ms` and `max_events`. */
  rule: SQL;
}

/**
 * At once where it is full, else when it was quiet for long enough, and at the latest when it has waited for long enough.
 * What is due at once must not be rounded up to the next millisecond.
 */
export function closesAt({ events, bytes, opened, last, rule }: WindowState): SQL {
  return sql`case when ${events} >= ${rule}.max_events or ${bytes} >= ${sql.raw(String(MAX_WINDOW_BYTES))} then date_trunc('milliseconds', now()) else least(
          ${last} + ${rule}.quiet_ms * interval '1 millisecond', ${opened} + ${rule}.max_wait_ms * interval '1 millisecond') end`;
}
