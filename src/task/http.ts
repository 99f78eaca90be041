/**
 * The `http` executor: one request to the outside.
 *
 * Every try carries `Idempotency-Key: {task_id}`, so that the receiver can drop the repetition that a crash between
 * its answer and our record causes (I8), and `traceparent`, so that its trace is ours. Redirects are not followed:
 * they would carry headers to a place that the definition does not name.
 */
import { isWithinDepth } from "../definition/depth.ts";
import type { HttpTemplate } from "../definition/schema.ts";
import { describeError, RetryableError, TerminalError } from "../errors.ts";
import { stableHex, stableTraceId } from "../stable-id.ts";
import type { Executor, TaskAttempt } from "./task.ts";

/** Bytes of a response's body that are kept. */
export const MAX_RESPONSE_BYTES = 16_384;
/** 4xx that say "later": the others fail at once. */
const RETRYABLE_4XX = new Set([408, 425, 429]);

export interface HttpResult {
  status: number;
  content_type: string | null;
  /** A JSON value when the response is JSON and was kept whole, else text. */
  body: unknown;
  truncated: boolean;
}

export const executeHttp: Executor = async (attempt, { signal }) => {
  const request = buildRequestOrFail(attempt);
  const { url } = attempt.params as HttpTemplate["params"];
  let response: Response;
  let kept: Pick<HttpResult, "body" | "truncated">;
  try {
    response = await fetch(url, { ...request, redirect: "manual", signal });
    kept = await readBounded(response);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new RetryableError("http_unreachable", `${request.method} ${hidePassword(url)}: ${describeError(error)}`, {
      cause: error,
    });
  }
  const result: HttpResult = { status: response.status, content_type: response.headers.get("content-type"), ...kept };
  if (response.ok) return result;
  throw statusError(request.method, url, response, result);
};

/** What cannot be a request today is none tomorrow. */
function buildRequestOrFail(attempt: TaskAttempt): ReturnType<typeof buildRequest> {
  const { url } = attempt.params as HttpTemplate["params"];
  if (!URL.canParse(url)) throw new TerminalError("http_request_invalid", `${hidePassword(url)} is no URL`);
  try {
    return buildRequest(attempt);
  } catch (error) {
    throw new TerminalError("http_request_invalid", describeError(error), { cause: error });
  }
}

function buildRequest(attempt: TaskAttempt): { method: string; headers: Headers; body: string | null } {
  const { method = "POST", headers: given, body } = attempt.params as HttpTemplate["params"];
  const headers = new Headers({ "user-agent": "actcore", ...given });
  headers.set("idempotency-key", attempt.task_id);
  headers.set(
    "traceparent",
    `00-${stableTraceId(attempt.trace_id)}-${stableHex(`${attempt.task_id}/${attempt.attempt}`, 16)}-01`,
  );

  const sendsBody = method === "POST" || method === "PUT" || method === "PATCH";
  const content = body === undefined ? (sendsBody ? attempt.input : undefined) : body;
  if (content === undefined) return { method, headers, body: null };
  if (typeof content !== "string" && !headers.has("content-type")) headers.set("content-type", "application/json");
  return { method, headers, body: typeof content === "string" ? content : JSON.stringify(content) };
}

async function readBounded(response: Response): Promise<Pick<HttpResult, "body" | "truncated">> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > MAX_RESPONSE_BYTES) break;
  }
  const truncated = size > MAX_RESPONSE_BYTES;
  const text = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, MAX_RESPONSE_BYTES));
  if (truncated || !/^application\/([\w.+-]+\+)?json\b/i.test(response.headers.get("content-type") ?? ""))
    return { body: text, truncated };
  try {
    const body: unknown = JSON.parse(text);
    return { body: isWithinDepth(body) ? body : text, truncated };
  } catch {
    return { body: text, truncated };
  }
}

function statusError(
  method: string,
  url: string,
  response: Response,
  result: HttpResult,
): TerminalError | RetryableError {
  const { status } = response;
  const what = `${method} ${hidePassword(url)} answered ${status}`;
  const details = { response: result };
  if (status >= 300 && status < 400)
    return new TerminalError(
      "http_redirect",
      `${what} to ${hidePassword(response.headers.get("location") ?? "nowhere")}`,
      {
        hint: "Put the final URL into the definition: redirects are not followed",
        details,
      },
    );
  if (status >= 400 && status < 500 && !RETRYABLE_4XX.has(status))
    return new TerminalError("http_status", what, { details });
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"));
  return new RetryableError("http_status", what, { details, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** Milliseconds; seconds or an HTTP date (RFC 9110 §10.2.3), at most a day. */
function parseRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, 86_400_000) : undefined;
}

function hidePassword(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, "//***@").replace(/\?.*$/s, "?…");
}
