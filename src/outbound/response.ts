/** What is kept of a response, and what its status says. */

import { isWithinDepth } from "../json/depth.ts";
import { parseJson } from "../json/parse.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import { unpack } from "./content-encoding.ts";
import { withoutUrl } from "./fetch-failure.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { showUrl } from "./url.ts";

/** Characters of a header's value that are kept. */
const MAX_HEADER_LENGTH = 1000;
/** Characters of all headers that are kept, names included. */
const MAX_HEADERS_LENGTH = 4000;
/** Headers that may be a credential, and those that are about the connection or the packed body. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  ...["set-cookie", "set-cookie2", "authentication-info", "proxy-authenticate", "proxy-authentication-info"],
  ...["connection", "keep-alive", "transfer-encoding", "trailer", "upgrade", "content-encoding", "content-length"],
]);
/** Statuses of 4xx that ask for another try later. Any other one is final. */
const RETRYABLE_4XX = new Set([408, 425, 429]);
/** The statuses with which `Location` says where to go instead. With others, such as 304, it does not. */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** A status, or a class of them such as `2xx`. */
export type ExpectedStatus = number | string;

const USUALLY_EXPECTED = ["2xx"];

/** An answer as a result of a task has it. */
export interface HttpAnswer {
  status: number;
  content_type: string | null;
  /** By name in lower case; those that are worth keeping, up to some kilobytes of them. */
  headers: Record<string, string>;
  /** A JSON value when the response is JSON and was kept whole, else text. */
  body: unknown;
  /** Whether `body` is not all of it: it is too long, broke off, or was packed in a way that is not known. */
  truncated: boolean;
}

export interface ReadResponse {
  readonly status: number;
  readonly contentType: string | null;
  /** All of them. */
  readonly headers: Headers;
  /** The body, as much of it as was kept. */
  readonly text: string;
  /** Whether `text` is not all of it. */
  readonly truncated: boolean;
  /** Why the body broke off; undefined when it is whole. */
  readonly brokenBy?: Error;
}

/** Reads at most `maxBytes` of the body, packed and unpacked. Does not reject: of a body that breaks off, the status still counts. */
export async function readResponse({ status, headers, body }: Response, maxBytes: number): Promise<ReadResponse> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let brokenBy: Error | undefined;
  try {
    for await (const chunk of body ?? []) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size > maxBytes) break;
    }
  } catch (error) {
    brokenBy = withoutUrl(error);
  }
  const { bytes, truncated } = await unpack(Buffer.concat(chunks), headers.get("content-encoding"), maxBytes);
  return {
    status,
    contentType: headers.get("content-type")?.slice(0, MAX_HEADER_LENGTH) ?? null,
    headers,
    text: new TextDecoder().decode(bytes),
    truncated: truncated || brokenBy !== undefined,
    ...(brokenBy !== undefined && { brokenBy }),
  };
}

export function toAnswer({ status, contentType, headers, text, truncated }: ReadResponse): HttpAnswer {
  const body = truncated || !isJson(contentType) ? text : readJson(text);
  return { status, content_type: contentType, headers: keepHeaders(headers), body, truncated };
}

/** Those of a response's headers that are kept, by name in lower case. */
export function keepHeaders(headers: Headers): Record<string, string> {
  const kept: [string, string][] = [];
  let room = MAX_HEADERS_LENGTH;
  for (const [name, value] of headers) {
    if (LEFT_OUT.has(name)) continue;
    const short = value.slice(0, MAX_HEADER_LENGTH);
    room -= name.length + short.length;
    if (room < 0) break;
    kept.push([name, short]);
  }
  return Object.fromEntries(kept);
}

function isJson(contentType: string | null): boolean {
  return /^application\/([\w.+-]+\+)?json\b/i.test(contentType ?? "");
}

/** The value; the text itself where it is no JSON, or is nested too deep. */
function readJson(text: string): unknown {
  try {
    const value = parseJson(text);
    return isWithinDepth(value) ? value : text;
  } catch {
    return text;
  }
}

export function isExpected(status: number, expected: readonly ExpectedStatus[] = USUALLY_EXPECTED): boolean {
  return expected.some((each) => each === status || each === `${Math.floor(status / 100)}xx`);
}

/**
 * Throws what is no success, with what was read as its details; `what` names the request.
 * @throws TerminalError `http_status`, `http_redirect`; RetryableError `http_status`, `http_unreachable`
 */
export function judgeResponse(what: string, read: ReadResponse, expected?: readonly ExpectedStatus[]): void {
  const { status, headers, brokenBy } = read;
  const isSuccess = isExpected(status, expected);
  if (isSuccess && brokenBy === undefined) return;
  const details = { response: toAnswer(read) };
  const wanted =
    expected === undefined || isSuccess ? "" : `, and not ${expected.join(" or ")}, as the definition expects`;
  const message = `${what} answered ${status}`;
  if (isSuccess)
    throw new RetryableError("http_unreachable", `${message}, but its body broke off: ${brokenBy?.message}`, {
      details,
      cause: brokenBy,
    });
  const location = headers.get("location")?.slice(0, MAX_HEADER_LENGTH);
  if (REDIRECTS.has(status) && location)
    throw new TerminalError("http_redirect", `${message} to ${showUrl(location)}`, {
      hint: "Put the final URL into the definition: redirects are not followed",
      details,
    });
  if (status < 500 && !RETRYABLE_4XX.has(status)) throw new TerminalError("http_status", message + wanted, { details });
  const retryAfterMs = parseRetryAfter(headers.get("retry-after"));
  throw new RetryableError("http_status", message + wanted, {
    details,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
