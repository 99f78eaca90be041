/** Cuts what is done of single tasks, where somebody has cancelled them: the run goes on with the others. */
import { CancellationScope } from "@temporalio/workflow";
import type { RunSteps, TaskFailure, TaskStep } from "../run/run.ts";

/** Undefined: the task is over, or only the ledger knows how. */
export type ExecuteStep = (step: TaskStep) => Promise<TaskFailure | undefined>;

export type TaskCuts = ReturnType<typeof createTaskCuts>;

export function createTaskCuts(failTasks: RunSteps["failTasks"]) {
  const cut = new Set<string>();
  const scopes = new Map<string, CancellationScope>();

  return {
    /** Of a task that is not done yet: it never begins. */
    cut(taskId: string): void {
      cut.add(taskId);
      scopes.get(taskId)?.cancel();
    },

    /** Executes the step in a scope of its own. One that was cut is recorded when nothing of it goes on any more. */
    async guard(runId: string, step: TaskStep, execute: ExecuteStep): Promise<TaskFailure | undefined> {
      const { task_id } = step;
      const scope = new CancellationScope();
      scopes.set(task_id, scope);
      if (cut.has(task_id)) scope.cancel();
      let failure: TaskFailure | undefined;
      try {
        failure = await scope.run(() => execute(step));
      } catch (error) {
        // A cancellation of the whole run ends all of it.
        if (!cut.has(task_id) || CancellationScope.current().consideredCancelled) throw error;
        failure = { task_id, message: "it was cancelled" };
      } finally {
        scopes.delete(task_id);
      }
      if (failure === undefined || !cut.has(task_id)) return failure;
      await failTasks(runId, [failure]);
      return undefined;
    },
  };
}
