/**
 * One request and its answer: dialled, read up to a bound, and judged by its status. Redirects are not followed: they would
 * carry headers to a place that the definition does not name.
 */
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Dial, DialOptions } from "./dial.ts";
import { withoutUrl } from "./fetch-failure.ts";
import type { HttpRequest } from "./request.ts";
import { type ExpectedStatus, isExpected, judgeResponse, type ReadResponse, readResponse } from "./response.ts";
import { showUrl } from "./url.ts";

/** How much is read of an answer that is no success. */
const MAX_FAILURE_BYTES = 16_384;

export interface ExchangeOptions extends DialOptions {
  /** How much of the body is read, when it is unpacked. */
  readonly maxBytes: number;
  /** The statuses that are a success; 2xx when absent. */
  readonly expected?: readonly ExpectedStatus[];
}

/**
 * What was read of the answer of a success, whose body is whole or was cut at `maxBytes`.
 * @throws what `Dial` says; TerminalError `http_status`, `http_redirect`; RetryableError `http_status`, `http_unreachable`;
 * the reason of `signal`
 */
export async function exchange(
  dial: Dial,
  request: HttpRequest,
  signal: AbortSignal,
  { maxBytes, expected, ...options }: ExchangeOptions,
): Promise<ReadResponse> {
  const what = `${request.method} ${showUrl(request.url.href)}`;
  let response: Response;
  try {
    response = await dial(request, signal, options);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof TerminalError) throw error;
    const cause = withoutUrl(error);
    throw new RetryableError("http_unreachable", `${what}: ${cause.message}`, { cause });
  }
  const isSuccess = isExpected(response.status, expected);
  const read = await readResponse(response, isSuccess ? maxBytes : Math.min(maxBytes, MAX_FAILURE_BYTES));
  if (isSuccess && read.brokenBy !== undefined && signal.aborted) throw signal.reason;
  judgeResponse(what, read, expected);
  return read;
}
