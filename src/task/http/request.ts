/** The request of one try, from the definition's params and what the task is about. */

import { describeError, TerminalError } from "../../kernel/errors.ts";
import { stableHex, stableTraceId } from "../../kernel/stable-id.ts";
import type { TaskAttempt } from "../task.ts";
import type { HttpParams } from "./params.ts";
import { METHODS_WITHOUT_BODY } from "./request-faults.ts";

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string | null;
}

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
  const headers = new Headers(given);
  if (!headers.has("user-agent")) headers.set("user-agent", "actcore");
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  headers.set("connection", "close");
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

/** A URL as an error may show it: without user, password and query, in which there may be a secret. */
export function showUrl(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, "//***@").replace(/\?.*$/s, "?…");
}
