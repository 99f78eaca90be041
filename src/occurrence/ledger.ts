/** The port through which occurrences are claimed; postgres/occurrence/occurrence-ledger.ts is behind it. */
import type { ActivityRow } from "../definition/activity.ts";
import type { Flow } from "../definition/flow.ts";
import type { ClaimRequest } from "../run/run.ts";
import type { Segment } from "./due-facts.ts";
import type { TriggerEvent } from "./judge.ts";

/** What was judged, for the claim to store where it still counts. */
export interface JudgedStart {
  event: TriggerEvent;
  /** The version of the definition that was judged; null: none is known yet, and the claim only answers the current one. */
  version: number | null;
  /** Why it does not run; null: it runs. */
  refusal: string | null;
  /** The same for an occurrence whose run was accepted before: that its due time is late was decided with the acceptance. */
  acceptedRefusal: string | null;
  /** Why it does not run, in words, where there is more to say. */
  detail?: string;
  /** Whether it is given up as `overlap` where another run of its activity goes. */
  givesWay: boolean;
  /** What its run may have to wait for; undefined: nothing. */
  gates?: Flow | undefined;
}

/** What the claim found. */
export type ClaimRecord =
  /** The definition has another version than the judged one. Nothing was stored. */
  | { outcome: "not_judged"; current: ActivityRow }
  /** Another workflow has the occurrence. */
  | { outcome: "duplicate"; run_id: string; start_latency_ms: number }
  /** The workflow has it. `version_used` is the version that its first claim, or its acceptance, pinned; `reopened` counts how often its run was opened again. */
  | { outcome: "claimed"; run_id: string; version_used: number; start_latency_ms: number; reopened: number }
  | { outcome: "skipped"; run_id: string; version_used: number; start_latency_ms: number; reason: string }
  /** Its run waits. Another workflow is started for it when the gates of its activity let it in. */
  | { outcome: "queued"; run_id: string; version_used: number; start_latency_ms: number };

export interface OccurrenceLedger {
  /** What was accepted as the run. @throws TerminalError `run_not_found` */
  findAccepted(activityId: string, runId: string): Promise<TriggerEvent>;
  /** What the definition said when something was due at `at`, and since then until `now`; where it was made later, all. */
  findSegments(activityId: string, at: Date, now: Date): Promise<Segment[]>;
  findVersion(activityId: string, version: number): Promise<ActivityRow | undefined>;
  /**
   * In one statement, or with gates in one transaction (I1): where the definition has the judged version, claims the occurrence for the workflow, pins the version
   * and opens the run with the verdict. The same workflow claiming again gets the same answer.
   * @throws TerminalError `definition_not_found`, `event_not_found`, `event_differs`; RetryableError `event_in_conflict`
   */
  claim(request: ClaimRequest, judged: JudgedStart): Promise<ClaimRecord>;
}
