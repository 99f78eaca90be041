/**
 * The `http` executor: one request to the outside.
 *
 * Every try carries the task's `Idempotency-Key`, so that the receiver can drop the repetition that a crash between
 * its answer and our record causes (I8), and `traceparent`, so that its trace continues ours. Redirects are not followed:
 * they would carry headers to a place that the definition does not name.
 */
import { RetryableError, TerminalError } from "../../kernel/errors.ts";
import type { Executor } from "../task.ts";
import { createDial, type DialDeps } from "./dial.ts";
import { withoutUrl } from "./fetch-failure.ts";
import type { HttpParams } from "./params.ts";
import { buildRequest, showUrl } from "./request.ts";
import { judgeResponse, readResponse } from "./response.ts";

export function createHttpExecutor(deps: DialDeps): Executor<HttpParams> {
  const dial = createDial(deps);
  return async (attempt, { signal }) => {
    const request = buildRequest(attempt);
    const what = `${request.method} ${showUrl(request.url.href)}`;
    let response: Response;
    try {
      response = await dial(request, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof TerminalError) throw error;
      const cause = withoutUrl(error);
      throw new RetryableError("http_unreachable", `${what}: ${cause.message}`, { cause });
    }
    const read = await readResponse(response);
    if (response.ok && read.brokenBy !== undefined && signal.aborted) throw signal.reason;
    return judgeResponse(what, read);
  };
}
