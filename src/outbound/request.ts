/** A request to the outside, and what each of them carries. */

export const HTTP_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;

/** An HTTP client refuses to send a body with these. */
export const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string | null;
}

/**
 * Headers as they are `given`, and those that every request has.
 * @throws TypeError for one that HTTP does not allow
 */
export function createHeaders(given: Readonly<Record<string, string>> = {}): Headers {
  const headers = new Headers(given);
  if (!headers.has("user-agent")) headers.set("user-agent", "actcore");
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  headers.set("connection", "close");
  return headers;
}
