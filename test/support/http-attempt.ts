/** One try of an http task, and an executor that may go anywhere, without a proxy. */
import { createDial, type DialDeps } from "../../src/outbound/dial.ts";
import { createHttpExecutor } from "../../src/task/http/executor.ts";
import type { HttpParams } from "../../src/task/http/params.ts";
import type { TaskAttempt } from "../../src/task/task.ts";
import { NO_ENGINES } from "./own-engines.ts";

/** An executor that may go anywhere, without a proxy, unless a test says otherwise. */
export function httpExecutor(deps: Partial<DialDeps> = {}) {
  return createHttpExecutor({
    dial: createDial({ engines: NO_ENGINES, allowed: [], proxies: { exempt: [] }, ...deps }),
  });
}

export const executeHttp = httpExecutor();

export function httpAttempt(params: HttpParams, rest: Partial<TaskAttempt> = {}): TaskAttempt<HttpParams> {
  return {
    task_id: "01976f2a-5b3c-8123-8abc-0123456789ab",
    idempotency_key: "5b1f0c2e-8d3a-8123-8abc-0123456789ab",
    key: "mail",
    type: "http",
    attempt: 1,
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    timeout_ms: 1000,
    input: {
      run: { run_id: "r", activity_id: "a", activity_name: "n", trigger: "event", scheduled_for: null },
      event: null,
    },
    ...rest,
    params,
  };
}
