/**
 * Signatures of a request's body, in the forms that receivers know:
 *
 *   github             X-Hub-Signature-256: sha256=HEX                                      of the body
 *   stripe             Stripe-Signature: t=SECONDS,v1=HEX                                   of SECONDS.BODY
 *   standard-webhooks  webhook-id, webhook-timestamp, webhook-signature: v1,BASE64          of ID.SECONDS.BODY
 *   hmac               a header, an algorithm, an encoding and a prefix as the definition has them: of the body, or of
 *                      SECONDS.BODY where the time has a header too
 *
 * Pure. The id is the task's idempotency key, the same at every try; the time is that of the try.
 */
import { createHmac } from "node:crypto";
import type { Sign } from "./params.ts";

export interface Signed {
  /** As it is sent, in UTF-8. */
  readonly body: string;
  readonly id: string;
  /** Since 1970. */
  readonly seconds: number;
}

/** The headers by which the receiver verifies it. The secret of `standard-webhooks` must be one (`isWebhookSecret`). */
export function signatureHeaders(sign: Sign, { body, id, seconds }: Signed): Record<string, string> {
  const { secret, algorithm = "sha256", encoding = "hex", prefix = "" } = sign;
  const { header = "X-Signature", timestamp_header } = sign;
  switch (sign.type) {
    case "github":
      return { "X-Hub-Signature-256": `sha256=${hmac("sha256", secret, body).toString("hex")}` };
    case "stripe":
      return { "Stripe-Signature": `t=${seconds},v1=${hmac("sha256", secret, `${seconds}.${body}`).toString("hex")}` };
    case "standard-webhooks": {
      const signature = hmac("sha256", webhookKey(secret), `${id}.${seconds}.${body}`).toString("base64");
      return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": `v1,${signature}` };
    }
    case "hmac": {
      const text = timestamp_header === undefined ? body : `${seconds}.${body}`;
      const signature = prefix + hmac(algorithm, secret, text).toString(encoding);
      return { [header]: signature, ...(timestamp_header !== undefined && { [timestamp_header]: String(seconds) }) };
    }
  }
}

/** The names of the headers that a signature has, in lower case. */
export function signatureHeaderNames(sign: Pick<Sign, "type" | "header" | "timestamp_header">): string[] {
  const headers = signatureHeaders({ ...sign, secret: "" }, { body: "", id: "", seconds: 0 });
  return Object.keys(headers).map((name) => name.toLowerCase());
}

/** Whether the secret is what Standard Webhooks takes: base64, with `whsec_` before it or without. */
export function isWebhookSecret(secret: string): boolean {
  const text = withoutWhsec(secret);
  return text !== "" && /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.replace(/=+$/, "").length % 4 !== 1;
}

/** The key that such a secret is. */
export function webhookKey(secret: string): Buffer {
  return Buffer.from(withoutWhsec(secret), "base64");
}

const withoutWhsec = (secret: string) => secret.replace(/^whsec_/, "");

function hmac(algorithm: "sha256" | "sha512", key: string | Buffer, text: string): Buffer {
  return createHmac(algorithm, key).update(text).digest();
}
