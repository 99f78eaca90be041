/** The request of one try, from the definition's params and what the task is about. */

import { describeError, TerminalError } from "../../kernel/errors.ts";
import { stableHex, stableTraceId } from "../../kernel/stable-id.ts";
import { createHeaders, type HttpRequest, METHODS_WITHOUT_BODY } from "../../outbound/request.ts";
import { showUrl } from "../../outbound/url.ts";
import type { TaskAttempt } from "../task.ts";
import type { HttpParams } from "./params.ts";

/** @throws TerminalError `http_request_invalid`: another try would find the same. */
export function buildRequest(attempt: TaskAttempt<HttpParams>): HttpRequest {
  const { url } = attempt.params;
  if (!URL.canParse(url)) throw new TerminalError("http_request_invalid", `${showUrl(url)} is no URL`);
  try {
    return { url: new URL(url), ...buildContent(attempt) };
  } catch (error) {
    throw new TerminalError("http_request_invalid", describeError(error), { cause: error });
  }
}

/** @throws TypeError for a header that HTTP does not allow, and for a body where there can be none */
function buildContent(attempt: TaskAttempt<HttpParams>): Omit<HttpRequest, "url"> {
  const { method = "POST", headers: given, body } = attempt.params;
  const headers = createHeaders(given);
  headers.set("idempotency-key", attempt.idempotency_key);
  headers.set(
    "traceparent",
    `00-${stableTraceId(attempt.trace_id)}-${stableHex(`${attempt.task_id}/${attempt.attempt}`, 16)}-01`,
  );

  const hasNoBody = METHODS_WITHOUT_BODY.has(method);
  if (hasNoBody && body !== undefined) throw new TypeError(`a ${method} sends no body, and the definition has one`);
  const content = body === undefined && !hasNoBody && method !== "DELETE" ? attempt.input : body;
  if (content === undefined) return { method, headers, body: null };
  if (typeof content !== "string" && !headers.has("content-type")) headers.set("content-type", "application/json");
  return { method, headers, body: typeof content === "string" ? content : JSON.stringify(content) };
}
