/** What of the ledger waits, or wants somebody to look at it. Times are RFC 3339; null: there is none. */
export interface Backlog {
  /** Runs that wait for the gates of their activities; `since`: the oldest one. */
  queued_runs: { count: number; since: string | null };
  /** Windows that gather events for a run; `next_closes_at`: the one that closes first, unless more events come. */
  open_windows: { count: number; next_closes_at: string | null };
  /** Dead letters that nobody has replayed or discarded; `last_at`: when the newest was recorded. */
  dead_letters: { count: number; last_at: string | null };
}

/** The port through which it is read; postgres/explain/backlog-reader.ts is behind it. */
export interface BacklogReader {
  read(): Promise<Backlog>;
}
