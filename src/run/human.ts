/** A human task, as the workflow that holds its timers sees it. Types and names only: workflow code imports it (I9). */

/** The signal that tells the workflow to look at the ledger: the task was decided, or its times changed. */
export const LOOK_AGAIN = "lookAgain";

export type HumanOutlook =
  /** `failure` is absent where a person completed it. */
  | { over: true; failure?: { code: string; message: string } }
  /** Milliseconds until time does something to it; absent: it only waits. */
  | { over: false; wake_in_ms?: number };

/** The step of HumanTaskWorkflow that the orchestrator does as a local activity; it may be repeated. */
export interface HumanSteps {
  /** Asks the person where that was not done, does what time has brought since the last look, and answers how the task stands. */
  lookAtHumanTask(taskId: string): Promise<HumanOutlook>;
}
