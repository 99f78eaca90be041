/** The request of one try, from the task's params and what it is about. */

import { TerminalError } from "../../kernel/errors.ts";
import { stableHex, stableTraceId } from "../../kernel/stable-id.ts";
import { isHostWritten } from "../../outbound/computed-host.ts";
import { createHeaders, type HttpRequest, METHODS_WITHOUT_BODY, parseHttpUrl } from "../../outbound/request.ts";
import type { TaskAttempt } from "../task.ts";
import type { HttpParams } from "./params.ts";

/** @throws TerminalError `http_request_invalid`: another try would find the same. */
export function buildRequest(attempt: TaskAttempt<HttpParams>): HttpRequest {
  const { method = "POST", url, headers: given, body } = attempt.params;
  const headers = createHeaders(given);
  headers.set("idempotency-key", attempt.idempotency_key);
  headers.set(
    "traceparent",
    `00-${stableTraceId(attempt.trace_id)}-${stableHex(`${attempt.task_id}/${attempt.attempt}`, 16)}-01`,
  );
  const request = { method, url: parseHttpUrl(url), headers };

  const hasNoBody = METHODS_WITHOUT_BODY.has(method);
  if (hasNoBody && body !== undefined)
    throw new TerminalError("http_request_invalid", `a ${method} sends no body, and the definition has one`);
  const content = body === undefined && !hasNoBody && method !== "DELETE" ? attempt.input : body;
  if (content === undefined) return { ...request, body: null };
  if (typeof content !== "string" && !headers.has("content-type")) headers.set("content-type", "application/json");
  return { ...request, body: typeof content === "string" ? content : JSON.stringify(content) };
}

/** Whether an expression made the host of the task's URL: of a text without one, the ledger has no source. */
export function isHostComputed({ sources = {} }: TaskAttempt): boolean {
  const { "/url": url, "": params } = sources;
  return params !== undefined || (url !== undefined && !isHostWritten(url.text));
}
