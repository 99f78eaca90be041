/**
 * Workflows that cannot go on: each try of their next step fails, and the engine tries for ever.
 *
 * A bad release fails steps too, and its workflows go on once it is mended. So a workflow counts as stuck only after this
 * process has watched for a while how it is tried again and fails; another process begins to watch anew.
 */
import type { RunInspector, WorkflowView } from "../run/engine.ts";

/** Fewer tries than this are no reason to watch: each worker that goes away causes one or two. */
const SUSPICIOUS_TRIES = 3;
const WATCH_MS = 15 * 60_000;
/** So many more tries must begin while it is watched. The first of them may belong to a worker that is about to succeed. */
const TRIES_WATCHED = 2;

export function createStuckEnder(workflows: Pick<RunInspector, "findTaskFailure" | "terminate">) {
  const watched = new Map<string, { sinceMs: number; attempt: number }>();

  function isStuck({ execution, attempt }: { execution: string; attempt: number }, nowMs: number): boolean {
    if (attempt < SUSPICIOUS_TRIES) {
      watched.delete(execution);
      return false;
    }
    const first = watched.get(execution);
    if (first === undefined || attempt < first.attempt) {
      watched.set(execution, { sinceMs: nowMs, attempt });
      return false;
    }
    return nowMs - first.sinceMs >= WATCH_MS && attempt >= first.attempt + TRIES_WATCHED;
  }

  return {
    /** Ends the workflow if it is stuck, and answers how its steps fail. Undefined when it is not, or not known to be yet. */
    async endIfStuck(workflowId: string, view: WorkflowView, now: Date): Promise<string | undefined> {
      const { execution = "", attempt = 0 } = view;
      if (!isStuck({ execution, attempt }, now.getTime())) return undefined;
      // Undefined where its steps time out: then the worker is busy, or dies for another reason.
      const failure = await workflows.findTaskFailure(workflowId, execution);
      if (failure === undefined) return undefined;
      await workflows.terminate(workflowId, execution, `actcore: it could not go on: ${failure}`);
      watched.delete(execution);
      return failure;
    },
  };
}
