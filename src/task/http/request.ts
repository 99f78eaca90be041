/** The request of one try, from the task's params and what it is about. */
import { findFaults } from "../../json/faults.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { isHostWritten } from "../../outbound/computed-host.ts";
import { createRequest, type HttpRequest, METHODS_WITHOUT_BODY } from "../../outbound/request.ts";
import type { TaskAttempt } from "../task.ts";
import { traceparentOf } from "../traceparent.ts";
import { findHttpFaults } from "./faults.ts";
import { type Auth, type HttpParams, HttpParamsSchema } from "./params.ts";
import { addQuery } from "./query.ts";
import { signatureHeaders } from "./signature.ts";

/** @throws TerminalError `http_request_invalid` */
export function buildRequest(attempt: TaskAttempt<HttpParams>): HttpRequest {
  const { method = "POST", url, headers, body, query, auth, sign } = attempt.params;
  const sendsInput = body === undefined && !METHODS_WITHOUT_BODY.has(method) && method !== "DELETE";
  const request = createRequest({ method, url, headers, body: sendsInput ? attempt.input : body });
  if (query !== undefined || auth !== undefined || sign !== undefined) refuseFaults(attempt.params);
  if (query !== undefined) addQuery(request.url, query);
  request.headers.set("idempotency-key", attempt.idempotency_key);
  request.headers.set("traceparent", traceparentOf(attempt));
  if (auth !== undefined) request.headers.set("authorization", toAuthorization(auth));
  if (sign !== undefined) {
    const signed = { body: request.body ?? "", id: attempt.idempotency_key, seconds: Math.floor(Date.now() / 1000) };
    for (const [name, value] of Object.entries(signatureHeaders(sign, signed))) request.headers.set(name, value);
  }
  return request;
}

function toAuthorization({ type, username, password, token }: Auth): string {
  if (type === "bearer") return `Bearer ${token}`;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** What secrets and expressions made of these parts was not known when the definition was stored, nor when the run decided. */
function refuseFaults({ headers = {}, query, auth, sign }: HttpParams): void {
  const parts = {
    url: "http://",
    ...(query !== undefined && { query }),
    ...(auth !== undefined && { auth }),
    ...(sign !== undefined && { sign }),
  };
  const shape = findFaults(HttpParamsSchema, parts, "params");
  const [fault] = shape.length > 0 ? shape : findHttpFaults({ ...parts, headers }, "params", false);
  if (fault !== undefined) throw new TerminalError("http_request_invalid", `${fault.path} ${fault.message}`);
}

/** Whether an expression made the host of the task's URL: of a text without one, the ledger has no source. */
export function isHostComputed({ sources = {} }: TaskAttempt): boolean {
  const { "/url": url, "": params } = sources;
  return params !== undefined || (url !== undefined && !isHostWritten(url.text));
}
