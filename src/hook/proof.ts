/**
 * How a request proves who sent it, by what the hook says. What is signed is made of the body's bytes as they came, which no
 * parser has seen; a secret of the hook is the key:
 *
 *   github             X-Hub-Signature-256: sha256=HEX                                      of the body
 *   stripe             Stripe-Signature: t=SECONDS,v1=HEX, v1 several times                 of SECONDS.BODY
 *   slack              X-Slack-Signature: v0=HEX, X-Slack-Request-Timestamp                 of v0:SECONDS:BODY
 *   standard-webhooks  webhook-id, webhook-timestamp, webhook-signature: v1,BASE64 …        of ID.SECONDS.BODY
 *   hmac               a header, an algorithm, an encoding and a prefix as the hook has them, of what its `signed` says
 *   token              no signature: the secret itself, in a header
 *
 * Everything that is compared with a secret, or with what one makes, is compared in constant time. Pure.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { parseTime } from "../calendar/time.ts";
import { TerminalError } from "../kernel/errors.ts";
import { isWebhookSecret, webhookKey } from "../task/http/signature.ts";
import type { Hook } from "./hook.ts";
import type { Verify } from "./schema.ts";

/** A request as it came. */
export interface Sent {
  headers: Headers;
  body: Uint8Array;
}

export interface Proof {
  /** Whether somebody with this secret made it. @throws TerminalError `secret_unusable` where it can be no key */
  isOf(secret: string): boolean;
  /** When it was made, in milliseconds since the epoch; undefined where it does not say. */
  madeAt?: number;
}

interface Signature {
  algorithm: "sha256" | "sha1" | "sha512";
  encoding: "hex" | "base64";
  /** As they are written. One of them has to be right. */
  signatures: readonly string[];
  signed: readonly (string | Uint8Array)[];
  madeAt?: number;
}

const SCHEMES: Readonly<Record<Verify, (sent: Sent, hook: Hook) => Proof>> = {
  github: ({ headers, body }) =>
    byHmac({
      ...HEX,
      signatures: behind("sha256=", [required(headers, "x-hub-signature-256")]),
      signed: [body],
    }),

  stripe({ headers, body }) {
    const fields = required(headers, "stripe-signature").split(",");
    const [seconds = ""] = behind("t=", fields);
    return byHmac({
      ...HEX,
      signatures: behind("v1=", fields),
      signed: [`${seconds}.`, body],
      madeAt: readSeconds(seconds, "t of stripe-signature"),
    });
  },

  slack({ headers, body }) {
    const signature = required(headers, "x-slack-signature");
    const name = "x-slack-request-timestamp";
    const seconds = required(headers, name);
    return byHmac({
      ...HEX,
      signatures: behind("v0=", [signature]),
      signed: [`v0:${seconds}:`, body],
      madeAt: readSeconds(seconds, name),
    });
  },

  "standard-webhooks"({ headers, body }) {
    const prefix = standardPrefix((name) => headers.has(name));
    const signatures = required(headers, `${prefix}-signature`);
    const id = required(headers, `${prefix}-id`);
    const seconds = required(headers, `${prefix}-timestamp`);
    return byHmac(
      {
        algorithm: "sha256",
        encoding: "base64",
        signatures: behind("v1,", signatures.split(" ")),
        signed: [`${id}.${seconds}.`, body],
        madeAt: readSeconds(seconds, `${prefix}-timestamp`),
      },
      readWebhookSecret,
    );
  },

  hmac({ headers, body }, { hmac }) {
    if (hmac === undefined) throw new Error("a hook with verify: hmac was compiled without it");
    const { algorithm, encoding, header, prefix, timestampHeader, signed } = hmac;
    const signatures = behind(prefix, required(headers, header).split(/[,\s]+/));
    const timestamp = timestampHeader === undefined ? "" : required(headers, timestampHeader);
    return byHmac({
      ...{ algorithm, encoding, signatures },
      signed: signed.map((part) => (part === "body" ? body : part === "timestamp" ? timestamp : part.text)),
      ...(timestampHeader !== undefined && { madeAt: readTimestamp(timestamp, timestampHeader) }),
    });
  },

  token({ headers }, { token }) {
    if (token === undefined) throw new Error("a hook with verify: token was compiled without it");
    const { header, scheme } = token;
    const value = required(headers, header).trim();
    const [word = "", rest = ""] = value.split(/ +(.*)/s, 2);
    if (scheme !== undefined && word.toLowerCase() !== scheme)
      throw new TerminalError("signature_missing", `the header ${header} does not begin with ${scheme}`);
    return { isOf: (secret) => isSame(digest(scheme === undefined ? value : rest), digest(secret)) };
  },
};

const HEX = { algorithm: "sha256", encoding: "hex" } as const;

/**
 * What the request has to show for itself, before any secret is read.
 * @throws TerminalError `signature_missing`; `signature_invalid` where its time is none
 */
export function readProof(hook: Hook, sent: Sent): Proof {
  return SCHEMES[hook.verify](sent, hook);
}

/**
 * How the names of the headers begin that are proven with `standard-webhooks`. Some senders had them before the standard, under the
 * name of the service that sends for them. Those of the other beginning are not signed, and prove nothing.
 */
export function standardPrefix(has: (header: string) => boolean): "webhook" | "svix" {
  return has("svix-signature") && !has("webhook-signature") ? "svix" : "webhook";
}

/** Of a proof that is genuine. @throws TerminalError `timestamp_too_old`, `timestamp_too_new` */
export function checkAge({ toleranceMs }: Hook, { madeAt }: Proof, now: number): void {
  if (toleranceMs === undefined || madeAt === undefined) return;
  const age = now - madeAt;
  if (Math.abs(age) <= toleranceMs) return;
  const seconds = Math.round(Math.abs(age) / 1000);
  const allowed = `${toleranceMs / 1000} s are allowed`;
  throw age > 0
    ? new TerminalError("timestamp_too_old", `the request was signed ${seconds} s ago, and ${allowed}`)
    : new TerminalError("timestamp_too_new", `the request was signed ${seconds} s in the future, and ${allowed}`, {
        hint: "Compare the clocks",
      });
}

function byHmac(
  { algorithm, encoding, signatures, signed, madeAt }: Signature,
  readKey: (secret: string) => string | Buffer = (secret) => secret,
): Proof {
  const wellWritten = encoding === "hex" ? signatures.map((signature) => signature.toLowerCase()) : signatures;
  if (wellWritten.length === 0)
    throw new TerminalError("signature_missing", "the request has no signature of the kind that this hook asks for");
  return {
    isOf(secret) {
      const hmac = createHmac(algorithm, readKey(secret));
      for (const part of signed) hmac.update(part);
      const expected = Buffer.from(hmac.digest(encoding));
      // All of them are looked at, so that the time does not tell which one was right.
      return wellWritten.map((signature) => isSame(Buffer.from(signature), expected)).includes(true);
    },
    ...(madeAt !== undefined && { madeAt }),
  };
}

/** The texts that begin with the prefix, without it. */
function behind(prefix: string, texts: readonly string[]): string[] {
  return texts
    .map((text) => text.trim())
    .filter((text) => text.startsWith(prefix) && text.length > prefix.length)
    .map((text) => text.slice(prefix.length));
}

function required(headers: Headers, name: string): string {
  const value = headers.get(name);
  if (value !== null && value !== "") return value;
  throw new TerminalError("signature_missing", `the request has no header ${name}`);
}

/** Milliseconds since the epoch, of Unix time in seconds. */
function readSeconds(text: string, where: string): number {
  if (/^\d{1,11}$/.test(text)) return Number(text) * 1000;
  throw new TerminalError("signature_invalid", `${where} is no Unix time in seconds`);
}

/** Of Unix time in seconds or, with 13 digits, in milliseconds, or of RFC 3339. */
function readTimestamp(text: string, where: string): number {
  if (/^\d{13}$/.test(text)) return Number(text);
  return parseTime(text)?.getTime() ?? readSeconds(text, where);
}

function readWebhookSecret(secret: string): Buffer {
  if (isWebhookSecret(secret)) return webhookKey(secret);
  throw new TerminalError(
    "secret_unusable",
    "a secret of Standard Webhooks is base64, with whsec_ before it or without",
  );
}

/** Of equal length whatever was given, so that a comparison tells nothing of the secret's length. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
