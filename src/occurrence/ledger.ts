/** The port through which occurrences are claimed; postgres/occurrence/occurrence-ledger.ts is behind it. */
import type { Claim, ClaimRequest } from "../run/run.ts";
import type { Segment } from "./due-facts.ts";
import type { AcceptedStart, Start } from "./start.ts";

export interface OccurrenceLedger {
  /** What the definition said when something was due at `at`, and since then until `now`; where it was made later, all. */
  findSchedule(activityId: string, at: Date, now: Date): Promise<Segment[]>;
  /**
   * Claims the occurrence for the workflow, pins the definition's version and opens the run, in one transaction (I1).
   * The same workflow claiming again gets the same answer; another one a duplicate.
   * @throws TerminalError `definition_not_found`, `event_not_found`, `event_differs`, `run_not_found`
   */
  claim(request: ClaimRequest, start: Start | AcceptedStart): Promise<Claim & { start_latency_ms: number }>;
}
