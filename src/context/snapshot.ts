/** What the context sources of a run answered. Resolved once, and stored with the run (I5): a retry of the run reads it there. */

export interface Snapshot {
  /** By the name of the source; null where an optional one failed. */
  values: Readonly<Record<string, unknown>>;
  sources: readonly SourceReport[];
}

/** How one source did. */
export interface SourceReport {
  name: string;
  type: string;
  status: "ok" | "failed";
  duration_ms: number;
  /** All tries, the first included. */
  attempts: number;
  /** The size of the value as JSON. */
  bytes: number;
  code?: string;
  error?: string;
}
