/** How a task ends whose cancellation was asked for: columns of the row that is updated, which no other table of the statement has. */
import { type SQL, sql } from "drizzle-orm";

export const IS_CANCEL_REQUESTED: SQL = sql`cancel_requested_at is not null`;

/** The error of such a task, as JSON. */
export const CANCELLED_BY: SQL = sql`json_build_object('code', 'cancelled', 'message', 'it was cancelled by ' || requested_by)`;

/** The status of a task that ends without success. */
export const endedAs = (status: string): SQL =>
  sql`case when ${IS_CANCEL_REQUESTED} then 'cancelled' else ${status}::text end`;
