/**
 * A delivery: a request that was verified, without its credentials (I10). As bytes, for a dead letter, it is a line that says to
 * which hook it came and when, a line for each header, an empty line, and the body as it came. Pure.
 */
import type { Hook } from "./hook.ts";
import type { Sent } from "./proof.ts";

const CREDENTIALS = ["authorization", "proxy-authorization", "cookie"];
const END = "\r\n\r\n";

export interface Delivery extends Sent {
  /** Its name. */
  hook: string;
  receivedAt: Date;
}

export function toDelivery({ name, token }: Hook, { headers, body }: Sent, receivedAt: Date): Delivery {
  const kept = [...headers].filter(([header]) => !CREDENTIALS.includes(header) && header !== token?.header);
  return { hook: name, receivedAt, headers: new Headers(kept), body };
}

export function writeDelivery({ hook, receivedAt, headers, body }: Delivery): Uint8Array {
  const lines = [`POST /hooks/${hook} ${receivedAt.toISOString()}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  return Buffer.concat([Buffer.from(lines.join("\r\n") + END), body]);
}

/** Undefined for bytes that `writeDelivery` did not make. */
export function readDelivery(bytes: Uint8Array): Delivery | undefined {
  const text = Buffer.from(bytes);
  const end = text.indexOf(END);
  const [first = "", ...lines] = text.subarray(0, Math.max(end, 0)).toString().split("\r\n");
  const [, hook, time = ""] = /^POST \/hooks\/(\S+) (\S+)$/.exec(first) ?? [];
  const receivedAt = new Date(time);
  if (hook === undefined || Number.isNaN(receivedAt.getTime())) return undefined;
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  return { hook, receivedAt, headers, body: text.subarray(end + END.length) };
}
