/** One try of an http task, as its executor gets it. */
import type { TaskAttempt } from "../../src/task/task.ts";

export function httpAttempt(params: object, rest: Partial<TaskAttempt> = {}): TaskAttempt {
  return {
    task_id: "01976f2a-5b3c-8123-8abc-0123456789ab",
    key: "mail",
    type: "http",
    params,
    attempt: 1,
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    timeout_ms: 1000,
    input: {
      run: { run_id: "r", activity_id: "a", activity_name: "n", trigger: "event", scheduled_for: null },
      event: null,
    },
    ...rest,
  };
}
