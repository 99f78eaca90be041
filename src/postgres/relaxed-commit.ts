/**
 * A commit that does not wait for the disk. Only for what is repeated safely when a crash of Postgres undoes it, and what
 * a later commit that waits takes along: the log is written in order.
 */
import { type SQL, sql } from "drizzle-orm";

/** A CTE named `relaxed`, of one row; it takes effect when the statement reads from it. */
export const RELAXED_COMMIT: SQL = sql`relaxed as materialized (select set_config('synchronous_commit', 'off', true))`;
