/** The request of one try, from the task's params and what it is about. */
import { isHostWritten } from "../../outbound/computed-host.ts";
import { createRequest, type HttpRequest, METHODS_WITHOUT_BODY } from "../../outbound/request.ts";
import type { TaskAttempt } from "../task.ts";
import { traceparentOf } from "../traceparent.ts";
import type { HttpParams } from "./params.ts";

/** @throws TerminalError `http_request_invalid` */
export function buildRequest(attempt: TaskAttempt<HttpParams>): HttpRequest {
  const { method = "POST", url, headers, body } = attempt.params;
  const sendsInput = body === undefined && !METHODS_WITHOUT_BODY.has(method) && method !== "DELETE";
  const request = createRequest({ method, url, headers, body: sendsInput ? attempt.input : body });
  request.headers.set("idempotency-key", attempt.idempotency_key);
  request.headers.set("traceparent", traceparentOf(attempt));
  return request;
}

/** Whether an expression made the host of the task's URL: of a text without one, the ledger has no source. */
export function isHostComputed({ sources = {} }: TaskAttempt): boolean {
  const { "/url": url, "": params } = sources;
  return params !== undefined || (url !== undefined && !isHostWritten(url.text));
}
