/** The version of what a request is about: answered as ETag, and named by If-Match. */

import { isFields } from "../json/fields.ts";
import { InvalidInputError } from "../kernel/errors.ts";
import type { Reply } from "./route.ts";

/** The version is that of the body, where no other one is given; without any there is no ETag. */
export function withTag(
  body: object,
  reply: Omit<Reply, "body"> = {},
  version = (body as { readonly version?: number }).version,
): Reply {
  return { ...reply, body, headers: { ...reply.headers, ...(version !== undefined && { etag: `"${version}"` }) } };
}

/** Of `If-Match: "3"`, or else of `version: 3` in the body. @throws InvalidInputError `invalid_version` */
export function expectedVersion(headers: Headers, body?: unknown): { expectedVersion?: number } {
  const tag = headers.get("if-match");
  if (tag !== null && tag !== "*")
    return { expectedVersion: readVersion(tag.replace(/^(W\/)?"(.*)"$/, "$2"), "If-Match") };
  const version = isFields(body) ? body.version : undefined;
  return typeof version === "number" ? { expectedVersion: version } : {};
}

export function readVersion(text: string, path: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const fault = { path, message: `expected a version number, received ${JSON.stringify(text.slice(0, 80))}` };
  throw new InvalidInputError("the request is not valid", [fault], "invalid_version");
}
