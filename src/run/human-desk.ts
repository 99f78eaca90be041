/** Where people act on their tasks: what they decide is stored first, and the workflow of the task is told then. */
import type { Chore } from "../kernel/chore.ts";
import type { Log } from "../kernel/log.ts";
import { createBackoff, orLater } from "../kernel/wait.ts";
import type { HumanCaller, HumanLedger, HumanRequestOf } from "./human-ledger.ts";

export interface HumanDesk {
  /** @throws what `HumanLedger.request` throws */
  request(request: HumanRequestOf): Promise<void>;
}

export interface HumanDeskDeps {
  humans: HumanLedger;
  caller: HumanCaller;
  log: Log;
}

/** What is decided is decided while the engine is away: the workflow is told by `createUntoldChore` then. */
export function createHumanDesk({ humans, caller, log }: HumanDeskDeps): HumanDesk {
  return {
    async request(request) {
      await humans.request(request);
      const { task_id } = request;
      await orLater(
        () => caller.lookAgain(task_id),
        (reason) => log.warn({ task_id, reason }, "the run of a decided task is told later"),
      );
    },
  };
}

const EVERY_MS = 10_000;
const BATCH = 100;

/** Tells workflows of decisions that did not reach them: the engine or the API's process was away. */
export function createUntoldChore({ humans, caller }: Pick<HumanDeskDeps, "humans" | "caller">): Chore {
  return {
    name: "untold_decisions",
    everyMs: EVERY_MS,
    backoff: createBackoff(),
    failed: "runs not told of decided tasks",
    async round(signal) {
      for (const taskId of await humans.listUntold(BATCH)) {
        if (signal.aborted) return;
        await caller.lookAgain(taskId);
      }
    },
  };
}
