/** The step of a task that has an activity of its own: begin a try in the ledger, make it, record how it ended. */
import { Context } from "@temporalio/activity";
import { TerminalError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";
import type { TaskSteps } from "../run/run.ts";
import { isStop } from "../task/stop.ts";
import type { TaskLedger } from "../task/task.ts";
import { whileBeating } from "./heartbeat.ts";
import { translated } from "./translate.ts";
import type { Tries } from "./tries.ts";

export interface TaskStepsDeps {
  tasks: TaskLedger;
  tries: Tries;
  /** Told of each try that a stop of the worker cut. */
  onCut(): void;
}

export function createTaskSteps({ tasks, tries, onCut }: TaskStepsDeps): Pick<TaskSteps, "executeTask"> {
  return {
    executeTask: translated(async (taskId) => {
      // Somebody else's workflow can ask for anything.
      if (!isUuid(taskId)) throw new TerminalError("task_not_found", "executeTask: its argument is no task's id");
      const context = Context.current();
      const cancelled = context.cancellationSignal;
      try {
        await whileBeating(context, async () => {
          const task = await tries.patiently(() => tasks.begin(taskId), cancelled);
          if (task === undefined) return;
          const end = await tries.record(task, await tries.make(task, cancelled), cancelled);
          if (!end.ok) throw end.error;
        });
      } catch (error) {
        if (isStop(cancelled.reason) && !(error instanceof TerminalError)) onCut();
        throw error;
      }
    }),
  };
}
