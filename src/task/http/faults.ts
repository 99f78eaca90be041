/** What the schema does not say of the params of an http task. Pure. */
import { hasTemplate } from "../../expression/template.ts";
import { preview } from "../../json/faults.ts";
import { pointTo } from "../../json/pointer.ts";
import type { Fault } from "../../kernel/errors.ts";
import type { Auth, HttpParams, Sign } from "./params.ts";
import { isQueryValue } from "./query.ts";
import { isWebhookSecret, signatureHeaderNames } from "./signature.ts";

/** Headers that a signature may not be put into: they are actcore's own, or about the connection. */
const TAKEN = new Set([
  ...["idempotency-key", "traceparent", "authorization", "host", "connection", "content-length", "content-type"],
  ...["transfer-encoding", "accept-encoding", "user-agent"],
]);

const FIELDS_OF_AUTH = { basic: ["username", "password"], bearer: ["token"] } as const;
const FIELDS_OF_HMAC = ["algorithm", "header", "encoding", "prefix", "timestamp_header"] as const;

/** @param isTemplate whether a text with `{{` in it is an expression, and its value known later */
export function findHttpFaults(
  { query = {}, headers = {}, auth, sign }: HttpParams,
  path: string,
  isTemplate = true,
): Fault[] {
  const isKnown = (text: string) => !isTemplate || !hasTemplate(text);
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  return [
    ...Object.entries(query).flatMap(([name, value]) =>
      isQueryValue(value)
        ? []
        : [
            {
              path: pointTo(`${path}/query`, name),
              message: `expected a text, a number, a boolean or a list of them, received ${preview(value)}`,
            },
          ],
    ),
    ...(auth === undefined ? [] : findAuthFaults(auth, names, isKnown, `${path}/auth`)),
    ...(sign === undefined ? [] : findSignFaults(sign, names, isKnown, `${path}/sign`)),
  ];
}

type IsKnown = (text: string) => boolean;

/** No value is shown: it may be a secret. */
function findAuthFaults(auth: Auth, headers: ReadonlySet<string>, isKnown: IsKnown, path: string): Fault[] {
  const faults: Fault[] = [];
  const { type, username = "", token = "" } = auth;
  const own: readonly string[] = FIELDS_OF_AUTH[type];
  for (const field of ["username", "password", "token"] as const) {
    if (own.includes(field) && auth[field] === undefined)
      faults.push({ path: `${path}/${field}`, message: `is required by ${type}` });
    if (!own.includes(field) && auth[field] !== undefined)
      faults.push({ path: `${path}/${field}`, message: `is no field of ${type}` });
  }
  if (type === "basic" && isKnown(username) && /[:\p{Cc}]/u.test(username))
    faults.push({
      path: `${path}/username`,
      message: "has a colon or a control character, which no username may have",
    });
  if (type === "bearer" && isKnown(token) && !/^[\x21-\x7e]*$/.test(token))
    faults.push({ path: `${path}/token`, message: "has characters that no token may have" });
  if (headers.has("authorization"))
    faults.push({ path, message: "the headers have an authorization already: leave out one of the two" });
  return faults;
}

function findSignFaults(sign: Sign, headers: ReadonlySet<string>, isKnown: IsKnown, path: string): Fault[] {
  const faults: Fault[] = [];
  for (const field of FIELDS_OF_HMAC)
    if (sign.type !== "hmac" && sign[field] !== undefined)
      faults.push({ path: `${path}/${field}`, message: `is a field of hmac: ${sign.type} says itself how it signs` });
  if (sign.type === "standard-webhooks" && isKnown(sign.secret) && !isWebhookSecret(sign.secret))
    faults.push({ path: `${path}/secret`, message: "expected base64, with whsec_ before it or without" });
  const names = signatureHeaderNames(sign);
  for (const name of names)
    if (TAKEN.has(name) || headers.has(name))
      faults.push({ path, message: `the header ${name} has a meaning already: put the signature into another` });
  if (sign.type === "hmac" && sign.timestamp_header !== undefined && new Set(names).size < 2)
    faults.push({ path: `${path}/timestamp_header`, message: "is the header of the signature: choose another" });
  return faults;
}
