/**
 * HumanTaskWorkflow: holds the timers of a `human` task, as a child of its run. The ledger is the truth: at each timer and at each signal
 * it is looked at again, so that a late timer changes nothing that somebody has decided.
 */
import {
  ApplicationFailure,
  condition,
  continueAsNew,
  defineSignal,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from "@temporalio/workflow";
import { type HumanSteps, LOOK_AGAIN } from "../run/human.ts";

const { lookAtHumanTask } = proxyLocalActivities<HumanSteps>({
  startToCloseTimeout: "20s",
  // Postgres may be away for long: wait for it in the workflow, not in a failed run.
  retry: { initialInterval: "200ms", maximumInterval: "30s" },
});

export async function HumanTaskWorkflow(task_id: string, ...rest: unknown[]): Promise<void> {
  let isCalled = false;
  setHandler(defineSignal(LOOK_AGAIN), () => {
    isCalled = true;
  });
  for (;;) {
    isCalled = false;
    const outlook = await lookAtHumanTask(task_id);
    if (outlook.over) {
      const { failure } = outlook;
      if (failure !== undefined) throw ApplicationFailure.nonRetryable(failure.message, failure.code);
      return;
    }
    const { wake_in_ms } = outlook;
    if (wake_in_ms === undefined) await condition(() => isCalled);
    else await condition(() => isCalled, Math.max(1, wake_in_ms));
    // Reminders over weeks make a long history. A signal that has come by now is kept: the next execution looks at once.
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof HumanTaskWorkflow>(task_id, ...rest);
  }
}
