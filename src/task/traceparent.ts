/** The W3C trace context of one try, by which the outside continues the trace of its event. */
import { stableHex, stableTraceId } from "../kernel/stable-id.ts";
import type { TaskAttempt } from "./task.ts";

export function traceparentOf({ trace_id, task_id, attempt }: Pick<TaskAttempt, "trace_id" | "task_id" | "attempt">) {
  return `00-${stableTraceId(trace_id)}-${stableHex(`${task_id}/${attempt}`, 16)}-01`;
}
