/** A request to the outside, and what each of them carries. What a definition has may have been computed, and be anything. */
import { isExactNumber } from "../json/exact-number.ts";
import { preview } from "../json/faults.ts";
import { TerminalError } from "../kernel/errors.ts";
import { showUrl } from "./url.ts";

export const HTTP_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;

/** An HTTP client refuses to send a body with these. */
export const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string | null;
}

/** The parts of a request as a definition has them, or as its expressions made them. */
export interface RequestParts {
  readonly method: string;
  readonly url: unknown;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
  /** A text is sent as it is, anything else as JSON; nothing where it is undefined. */
  readonly body?: unknown;
}

/** With the headers that every request has. @throws TerminalError `http_request_invalid`: another try would find the same */
export function createRequest({ method, url, headers: given, body }: RequestParts): HttpRequest {
  const headers = createHeaders(given);
  const request = { method, url: parseHttpUrl(url), headers };
  if (body === undefined) return { ...request, body: null };
  if (METHODS_WITHOUT_BODY.has(method)) throw invalid(`a ${method} sends no body, and the definition has one`);
  if (typeof body !== "string" && !headers.has("content-type")) headers.set("content-type", "application/json");
  return { ...request, body: typeof body === "string" ? body : JSON.stringify(body) };
}

function parseHttpUrl(text: unknown): URL {
  const url = typeof text === "string" ? URL.parse(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  const shown = typeof text === "string" ? showUrl(text) : text;
  throw invalid(`expected an http:// or https:// URL, received ${preview(shown)}`);
}

/** A number or a boolean is written as text. What is thrown is without the value, which may be a secret. */
function createHeaders(given: Readonly<Record<string, unknown>> = {}): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (value === null || (typeof value === "object" && !isExactNumber(value)))
      throw invalid(
        `header ${preview(name)}: expected a text, received ${value === null ? "null" : "a list or an object"}`,
      );
    try {
      headers.append(name, String(value));
    } catch {
      throw invalid(`header ${preview(name)}: its name or value has characters that none may have`);
    }
  }
  if (!headers.has("user-agent")) headers.set("user-agent", "actcore");
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  headers.set("connection", "close");
  return headers;
}

function invalid(message: string): TerminalError {
  return new TerminalError("http_request_invalid", message);
}
