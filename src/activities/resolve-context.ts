/** The step that asks the context sources of a run, once: a run whose context is recorded is not asked for it again (I5). */
import { Context } from "@temporalio/activity";
import type { ContextResolver } from "../context/resolver.ts";
import type { SourceReport } from "../context/snapshot.ts";
import { TerminalError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";
import type { RunLedger } from "../run/ledger.ts";
import type { TaskSteps } from "../run/run.ts";
import { requirePinned } from "./decide-run.ts";
import { whileBeating } from "./heartbeat.ts";
import { translated } from "./translate.ts";

export interface ResolveContextDeps {
  runs: RunLedger;
  resolver: ContextResolver;
}

export function createContextStep({ runs, resolver }: ResolveContextDeps): TaskSteps["resolveContext"] {
  return translated(async (runId) => {
    if (!isUuid(runId)) throw new TerminalError("run_not_found", "resolveContext: its argument is no run's id");
    const step = Context.current();
    try {
      await whileBeating(step, async () => {
        const state = await runs.readState(runId, { results: {}, events: true });
        if (state.context !== undefined || state.isOver) return;
        const { activity } = await requirePinned(runs, runId);
        const run = { run_id: runId, activity_id: activity.id, fired_at: state.fired_at };
        await runs.recordContext(
          runId,
          await resolver.resolve(activity.context, state.values, run, step.cancellationSignal),
        );
      });
    } catch (error) {
      const sources = error instanceof TerminalError ? error.details.sources : undefined;
      if (Array.isArray(sources)) await runs.recordContext(runId, { sources: sources as SourceReport[] });
      throw error;
    }
  });
}
