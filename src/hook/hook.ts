/** A hook's version, compiled once: how its requests are verified, and how one becomes an event. */
import { parseDuration } from "../calendar/duration.ts";
import { compileExpression, type Expression } from "../expression/expression.ts";
import { HOOK_SCOPE, type HookBody, isTimed, type Verify } from "./schema.ts";

const DEFAULT_TOLERANCE = "5m";

/** How a signature of the hook's own scheme is made and written. Header names are in lower case. */
export interface Hmac {
  readonly header: string;
  readonly algorithm: "sha256" | "sha1" | "sha512";
  readonly encoding: "hex" | "base64";
  /** Empty: none. */
  readonly prefix: string;
  readonly timestampHeader: string | undefined;
  /** What is signed: texts, and in between the values of `{timestamp}` and `{body}`. */
  readonly signed: readonly SignedPart[];
}
export type SignedPart = { readonly text: string } | "timestamp" | "body";

/** Where a token stands. The header's name is in lower case. */
export interface Token {
  readonly header: string;
  /** The word before the token, in lower case; undefined: none. */
  readonly scheme: string | undefined;
}

export interface Hook {
  readonly name: string;
  readonly verify: Verify;
  /** Names. */
  readonly secrets: readonly string[];
  /** How far a request's timestamp may be from now; undefined where requests have none. */
  readonly toleranceMs: number | undefined;
  /** Set for `verify: hmac`. */
  readonly hmac?: Hmac;
  /** Set for `verify: token`. */
  readonly token?: Token;
  readonly map: { readonly [Field in keyof NonNullable<HookBody["map"]>]: Expression };
}

/** The body has passed `parseHook`. */
export function compileHook(body: HookBody): Hook {
  const { name, verify, secrets, tolerance = DEFAULT_TOLERANCE, hmac, token = {}, map = {} } = body;
  return {
    name,
    verify,
    secrets,
    toleranceMs: isTimed(body) ? parseDuration(tolerance) : undefined,
    ...(hmac !== undefined && { hmac: compileHmac(hmac) }),
    ...(verify === "token" && { token: compileToken(token) }),
    map: Object.fromEntries(Object.entries(map).map(([field, text]) => [field, compileExpression(text, HOOK_SCOPE)])),
  };
}

function compileHmac({
  header,
  algorithm = "sha256",
  encoding = "hex",
  prefix = "",
  timestamp_header,
  signed,
}: NonNullable<HookBody["hmac"]>): Hmac {
  const text = signed ?? (timestamp_header === undefined ? "{body}" : "{timestamp}.{body}");
  return {
    header: header.toLowerCase(),
    ...{ algorithm, encoding, prefix },
    timestampHeader: timestamp_header?.toLowerCase(),
    signed: text
      .split(/(\{body\}|\{timestamp\})/)
      .filter((part) => part !== "")
      .map((part) => (part === "{body}" ? "body" : part === "{timestamp}" ? "timestamp" : { text: part })),
  };
}

function compileToken({ header = "authorization", scheme }: NonNullable<HookBody["token"]>): Token {
  const name = header.toLowerCase();
  return { header: name, scheme: (scheme ?? (name === "authorization" ? "Bearer" : undefined))?.toLowerCase() };
}
