/** The ports through which sources read: what an adapter is asked, and what it answers. */
import type { Filter } from "../match/filter.ts";
import type { TypePattern } from "../match/type-pattern.ts";

/** The most rows of one query. One more is asked for, to know whether there are more. */
export const MAX_ROWS = 1_000;

/** Reads from databases that are not actcore's own: postgres/context/sql-reader.ts. */
export interface SqlReader {
  /**
   * The rows that the query answers, in a transaction that is only read. When `signal` aborts, the server cancels the query.
   * @throws TerminalError `sql_failed`, `sql_writes`, `sql_login_refused`, `sql_too_many_rows`, `sql_connection_unknown`,
   * `source_too_large`; RetryableError `sql_unavailable`; the reason of `signal`
   */
  query(question: SqlQuestion): Promise<readonly Record<string, unknown>[]>;
}

export interface SqlQuestion {
  readonly connection: string;
  readonly query: string;
  /** JSON, in place of $1, $2, … */
  readonly args: readonly unknown[];
  /** The server ends the query after so many milliseconds, though nobody is there any more to cancel it. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Reads NATS' key-value store: nats/key-values.ts. */
export interface KeyValueReader {
  /**
   * Undefined where the key has no value, or was deleted.
   * @throws TerminalError `kv_bucket_unknown`, `source_too_large`; RetryableError `nats_unavailable`
   */
  get(bucket: string, key: string, signal: AbortSignal): Promise<KeyValue | undefined>;
}

export interface KeyValue {
  readonly bytes: Uint8Array;
  readonly revision: number;
}

export const PREVIOUS_OUTCOMES = ["succeeded", "failed", "any"] as const;

/** Reads the ledger: postgres/context/previous-run-reader.ts. */
export interface PreviousRunReader {
  /**
   * The closed runs before `before`, the newest first. Those that were skipped, which did nothing, are left out.
   * @throws TerminalError `activity_unknown`, `source_too_large`; RetryableError `postgres_unavailable`
   */
  read(question: PreviousRunQuestion): Promise<readonly PreviousRun[]>;
}

export interface PreviousRunQuestion {
  /** By the name of another activity, or the id of the run's own. */
  readonly activity: { readonly name: string } | { readonly id: string };
  /** A run id. */
  readonly before: string;
  readonly last: number;
  readonly outcome: (typeof PREVIOUS_OUTCOMES)[number];
}

export interface PreviousRun {
  run_id: string;
  status: "succeeded" | "failed" | "cancelled";
  /** Why it ended so; null where it succeeded. */
  reason: string | null;
  error: string | null;
  scheduled_for: string | null;
  fired_at: string;
  finished_at: string;
  /** What its context sources answered, by their names, but for those that read runs before it. */
  context: Record<string, unknown>;
  /** By key, as expressions read `tasks`: of a `for_each`, a list. */
  tasks: Record<string, unknown>;
}

/** The most events that are looked at for one source. */
export const MAX_COUNTED = 100_000;

/** Reads the ledger: postgres/context/recorded-event-reader.ts. */
export interface RecordedEventReader {
  /**
   * Counts the events that were recorded from `since` to `until`, dead letters left out.
   * @throws TerminalError `source_too_large`, `too_many_event_types`; RetryableError `postgres_unavailable`; the reason of `signal`
   */
  read(question: RecordedEventQuestion): Promise<RecordedEvents>;
}

export interface RecordedEventQuestion {
  readonly pattern: TypePattern;
  readonly filters: readonly Filter[];
  /** A time, or the activity and run before which the last run is meant that was not skipped. */
  readonly since: Date | { readonly activity_id: string; readonly run_id: string };
  readonly until: Date;
  /** How many of them are read. */
  readonly last: number;
  readonly signal: AbortSignal;
}

export interface RecordedEvents {
  count: number;
  /** Whether there may be more: only MAX_COUNTED events of the type were looked at. */
  capped: boolean;
  /** Null where there was no run before: all that are kept were looked at. */
  since: string | null;
  /** The last ones, the oldest first. */
  events: readonly RecordedEvent[];
}

export interface RecordedEvent {
  event_id: string;
  type: string;
  source: string;
  subject: string | null;
  occurred_at: string;
  payload: unknown;
}
