/** The environment of a command: the same however the worker was started, since nothing of the worker's own is in it. Pure. */
import type { Account } from "../../processes/account.ts";
import type { TaskAttempt } from "../task.ts";
import { traceparentOf } from "../traceparent.ts";
import type { CommandParams } from "./params.ts";

export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** By what the processes of a task are found. */
export const MARKER = "ACTCORE_TASK_ID";

export function buildEnvironment(attempt: TaskAttempt<CommandParams>, account: Account): Record<string, string> {
  const { run, event } = attempt.input;
  return {
    PATH,
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
    ...attempt.params.env,
    ACTCORE_ACTIVITY_ID: run.activity_id,
    ACTCORE_ACTIVITY_NAME: run.activity_name,
    ACTCORE_RUN_ID: run.run_id,
    ACTCORE_TRIGGER: run.trigger,
    ACTCORE_SCHEDULED_FOR: run.scheduled_for ?? "",
    ACTCORE_EVENT_ID: event?.event_id ?? "",
    [MARKER]: attempt.task_id,
    ACTCORE_TASK_KEY: attempt.key,
    ACTCORE_ATTEMPT: String(attempt.attempt),
    ACTCORE_IDEMPOTENCY_KEY: attempt.idempotency_key,
    TRACEPARENT: traceparentOf(attempt),
  };
}
