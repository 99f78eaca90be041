/** What is kept of a response, and what its status says about the task. */

import { RetryableError, TerminalError } from "../../errors.ts";
import { isWithinDepth } from "../../json/depth.ts";
import { parseJson } from "../../json/parse.ts";
import { hidePassword } from "./request.ts";
import { parseRetryAfter } from "./retry-after.ts";

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

export async function readResult(response: Response): Promise<HttpResult> {
  const kept = await readBounded(response);
  return { status: response.status, content_type: response.headers.get("content-type"), ...kept };
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
    const body = parseJson(text);
    return { body: isWithinDepth(body) ? body : text, truncated };
  } catch {
    return { body: text, truncated };
  }
}

/** The failure that a status other than 2xx is; `what` names the request. */
export function statusError(what: string, { headers }: Response, result: HttpResult): TerminalError | RetryableError {
  const { status } = result;
  const message = `${what} answered ${status}`;
  const details = { response: result };
  if (status >= 300 && status < 400)
    return new TerminalError("http_redirect", `${message} to ${hidePassword(headers.get("location") ?? "nowhere")}`, {
      hint: "Put the final URL into the definition: redirects are not followed",
      details,
    });
  if (status >= 400 && status < 500 && !RETRYABLE_4XX.has(status))
    return new TerminalError("http_status", message, { details });
  const retryAfterMs = parseRetryAfter(headers.get("retry-after"));
  return new RetryableError("http_status", message, { details, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}
