/** The step of HumanTaskWorkflow, bridged to the ledger. A local activity, safe to repeat. */
import { TerminalError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";
import type { HumanSteps } from "../run/human.ts";
import type { HumanLedger } from "../run/human-ledger.ts";
import { translated } from "./translate.ts";

export function createHumanSteps({ humans }: { humans: Pick<HumanLedger, "look"> }): HumanSteps {
  return {
    lookAtHumanTask: translated((taskId) => {
      // Somebody else's workflow can ask for anything.
      if (!isUuid(taskId)) throw new TerminalError("task_not_found", "lookAtHumanTask: its argument is no task's id");
      return humans.look(taskId);
    }),
  };
}
