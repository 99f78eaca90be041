/**
 * The `http` executor: one request to the outside.
 *
 * Every try carries `Idempotency-Key: {task_id}`, so that the receiver can drop the repetition that a crash between
 * its answer and our record causes (I8), and `traceparent`, so that its trace is ours. Redirects are not followed:
 * they would carry headers to a place that the definition does not name.
 */
import { describeError, RetryableError } from "../../errors.ts";
import type { Executor } from "../task.ts";
import { buildRequest, hidePassword } from "./request.ts";
import { type HttpResult, readResult, statusError } from "./response.ts";

export const executeHttp: Executor = async (attempt, { signal }) => {
  const { url, ...request } = buildRequest(attempt);
  const what = `${request.method} ${hidePassword(url.href)}`;
  let response: Response;
  let result: HttpResult;
  try {
    response = await fetch(url, { ...request, redirect: "manual", signal });
    result = await readResult(response);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new RetryableError("http_unreachable", `${what}: ${describeError(error)}`, { cause: error });
  }
  if (response.ok) return result;
  throw statusError(what, response, result);
};
