/**
 * Windows: events of an activity that are gathered into one run (`debounce`, `batch`).
 *
 *   an event is recorded  → it is a member of the open window of its activity and key, which is made where there is none
 *   the window is due     → in one transaction it is closed, and its run is made of its members, or a reason why it makes none
 *   the run is started    → as any accepted run is; what a crash leaves is started by the finisher
 *
 * A member that comes while its window is being closed waits for that, and goes into the next one. This file says what comes of a
 * window that is due, and has the port to the ledger. The members themselves are recorded with their events
 * (postgres/event/record-statement.ts), which is where the times of a window are reckoned.
 */
import type { Activity } from "../definition/activity.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import { describeFailure } from "../event/match.ts";
import type { ActivityOutcome } from "../event/outcome.ts";
import { judge } from "../occurrence/judge.ts";
import type { AcceptedRun } from "../run/engine.ts";
import { findFlowKey } from "./gate-key.ts";

/** What comes of a window that is due. */
export type Closing =
  /** Its run is owed at once. */
  | { status: "running" }
  /** Its run waits for the gates of its activity, which count it under this key. */
  | { status: "queued"; flow_key: string }
  /** It makes no run, and this is the outcome of its members. */
  | { status: "none"; outcome: Extract<ActivityOutcome, "skipped" | "failed_expression">; reason: string };

export interface ClosedWindow {
  window_id: string;
  activity_id: string;
  activity_name: string;
  events: number;
  closing: Closing;
  /** Absent where it made no run. */
  run?: AcceptedRun;
}

/** postgres/flow/window-ledger.ts is behind it. Any number of processes may use it at once. */
export interface WindowLedger {
  /**
   * Closes some of the windows that are due, each as `decide` says of its activity as it counts now and its last event; empty when
   * none is due that nobody else is closing. A window with more members than a run may have is closed with the first ones, and
   * the others are the members of a new window.
   */
  closeDue(decide: (activity: Activity, last: EventEnvelope) => Closing): Promise<ClosedWindow[]>;
  /** Milliseconds until the next window is due, 0 or less where one is; undefined when none is open. */
  findNextMs(): Promise<number | undefined>;
  /** Calls back when a window was opened or is full; answers how to stop that. */
  onChange(listener: () => void): Promise<() => Promise<void>>;
}

/** @param last the last event of the window, by which its run is counted */
export function decideClosing(activity: Activity, last: EventEnvelope): Closing {
  const { event_id } = last;
  const verdict = judge({ kind: "window", key: "", trigger: "event", event_id }, activity);
  if (verdict.do === "skip") return { status: "none", outcome: "skipped", reason: verdict.reason };
  try {
    const flow_key = findFlowKey(activity.flow, last);
    return flow_key === undefined ? { status: "running" } : { status: "queued", flow_key };
  } catch (error) {
    return { status: "none", outcome: "failed_expression", reason: describeFailure(error) };
  }
}
