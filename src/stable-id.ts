/**
 * Ids that follow from what happened, never from when or where it was processed: a retry, a redelivery or another
 * replica computes the same one (I1, I8).
 */
import { createHash } from "node:crypto";

/** A UUID (version 8, RFC 9562: custom) of the parts. */
export function stableUuid(...parts: string[]): string {
  const hex = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** 32 hex digits, as W3C trace context wants; `text` itself when it already is such. */
export function stableTraceId(text: string): string {
  return /^(?!0{32})[0-9a-f]{32}$/.test(text) ? text : stableHex(text, 32);
}

export function stableHex(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}
