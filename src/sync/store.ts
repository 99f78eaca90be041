/** What a sync needs of the database; postgres/sync/sync-store.ts and postgres/sync/sync-history.ts are behind it. */
import type { DocumentStage, StoredRow, Write } from "./document-row.ts";
import type { HeldTree, SyncReport, SyncSummary } from "./report.ts";

/** A sync of the history, with what it changed. */
export interface PastSync {
  summary: SyncSummary;
  writes: Write[];
}

export interface AppliedBy {
  actor: string;
  /** Goes into the history in the same transaction: what was changed can be taken back, whatever happens then. */
  report: SyncReport;
  /** Trees that no sync touches from this transaction on. */
  hold?: readonly string[];
}

export interface SyncStore {
  /**
   * Runs `body` when no other sync runs, anywhere.
   * @throws RetryableError `postgres_unavailable` at once, also where it hangs; the reason of `signal`
   */
  exclusively<T>(body: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Every row that files made, those that are retired too, and whatever else has one of these names. */
  listRows(stages: readonly DocumentStage[], names: readonly string[]): Promise<StoredRow[]>;
  /** The rows of these ids that are not deleted. */
  findRows(ids: readonly string[]): Promise<StoredRow[]>;
  /**
   * All of it in one transaction, each with its version, the revision, the notification and the audit (I4).
   * @throws RetryableError `sync_conflict`, TerminalError `name_taken` when a row or a name is not as it was planned on:
   *   nothing was written
   */
  apply(writes: readonly Write[], by: AppliedBy): Promise<void>;

  /** Of a sync that changed something, or had errors that the one before had not; the oldest make room. */
  record(report: SyncReport): Promise<void>;
  /** Newest first. */
  list(page: { limit: number; after?: string }): Promise<SyncSummary[]>;
  find(syncId: string): Promise<PastSync | undefined>;
  /** A later sync than this one that changed something of one of the trees; undefined: none. */
  findLaterChange(syncId: string, trees: readonly string[]): Promise<string | undefined>;

  listHeld(): Promise<HeldTree[]>;
  /** The trees that the rollback of this sync held, and that are free now. */
  release(syncId: string, actor: string): Promise<string[]>;
}
