/** Reads a JSON body within bounds, before anything looks at it. */

import { isWithinDepth, TOO_DEEP } from "../json/depth.ts";
import { NumberFaultError, parseJson } from "../json/parse.ts";
import { describeError, InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { inTime } from "../kernel/wait.ts";

/** Bytes. */
export const MAX_BODY_BYTES = 1_048_576;
/** Milliseconds. A sender that stops in the middle must not hold up a stop of the server. */
const BODY_WITHIN_MS = 10_000;
const UTF8 = new TextDecoder("utf-8", { fatal: true });
const tooSlow = () => new TerminalError("body_too_slow", `the body did not arrive within ${BODY_WITHIN_MS / 1000} s`);

/**
 * Undefined for an empty body where that is `optional`.
 * @throws TerminalError `unsupported_media_type`, `body_too_large`, `body_too_slow`, `body_cut`; InvalidInputError `malformed_json`, `number_not_kept`,
 *   `body_too_deep`
 */
export async function readJson(request: Request, optional = false): Promise<unknown> {
  if (optional && request.body === null) return undefined;
  requireJsonType(request.headers.get("content-type"));
  const bytes = await readBytes(request);
  if (optional && bytes.byteLength === 0) return undefined;
  const body = parseBody(bytes, parseJson);
  if (!isWithinDepth(body)) throw new InvalidInputError("the body is nested too deep", [TOO_DEEP], "body_too_deep");
  return body;
}

/** @throws TerminalError `unsupported_media_type` */
export function requireJsonType(type: string | null): void {
  // A body of no declared type is read as JSON: that is what curl -d with a bare header list and most scripts mean.
  if (type !== null && !/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type))
    throw new TerminalError("unsupported_media_type", `expected content-type application/json, received ${type}`, {
      hint: "with curl: -H 'content-type: application/json', beside -d",
    });
}

/** The body as it came. @throws TerminalError `unsupported_media_type` where it is encoded, and what reading throws */
export async function readBytes(request: Request, maxBytes = MAX_BODY_BYTES): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && !/^\s*(identity)?\s*$/i.test(encoding))
    throw new TerminalError("unsupported_media_type", `expected a body without an encoding, received ${encoding}`, {
      hint: "send the JSON as it is, without Content-Encoding",
    });
  return inTime(readBounded(request, maxBytes), BODY_WITHIN_MS, tooSlow);
}

/** What `parse` makes of the body's text. @throws InvalidInputError `malformed_json`, `number_not_kept` */
export function parseBody<T>(bytes: Uint8Array, parse: (text: string) => T): T {
  try {
    return parse(UTF8.decode(bytes));
  } catch (error) {
    if (error instanceof NumberFaultError) throw numberNotKept(error);
    const message = bytes.byteLength === 0 ? "expected a JSON body, received none" : (error as Error).message;
    throw new InvalidInputError("the body is no JSON", [{ path: "/", message }], "malformed_json");
  }
}

export function numberNotKept({ fault }: NumberFaultError): InvalidInputError {
  return new InvalidInputError("the body has a number that cannot be kept", [fault], "number_not_kept");
}

export function bodyTooLarge(maxBytes: number): TerminalError {
  return new TerminalError("body_too_large", `the body has more than ${maxBytes} bytes`);
}

async function readBounded(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => bodyTooLarge(maxBytes);
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof TerminalError) throw error;
    // Only the connection is at fault: its caller is gone, and nobody reads the answer.
    throw new TerminalError("body_cut", `the body did not arrive whole: ${describeError(error)}`, { cause: error });
  }
  return Buffer.concat(chunks);
}
