/**
 * Ids of the ledger's rows. They begin with their time, as those that `Bun.randomUUIDv7` makes, so that the newest rows stand together, a list pages by id
 * alone, and a table can be partitioned by its key. What follows from a row has an id that follows from the row's: a
 * retry, a redelivery or another replica computes the same one (I8).
 */
import { createHash } from "node:crypto";

/** A UUID (version 8: custom) that follows from `parent` and `parts`, and begins with the parent's time. */
export function childUuid(parent: string, ...parts: string[]): string {
  const hex = createHash("sha256")
    .update(JSON.stringify([parent, ...parts]))
    .digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${parent.slice(0, 13)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A UUID (version 8: custom) that follows from `parts` alone; there is no time in it. */
export function stableUuid(...parts: string[]): string {
  return childUuid(stableHex(JSON.stringify(parts), 12).replace(/^.{8}/, "$&-"), ...parts);
}

/** The least id of a row made at `time`: where a list by time begins. */
export function firstUuidAt(time: Date): string {
  const hex = Math.max(0, time.getTime()).toString(16).padStart(12, "0").slice(-12);
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** When the row of an id was made that begins with its time. */
export function timeOfUuid(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** 32 hex digits, as W3C trace context wants; `text` itself when it already is such. */
export function stableTraceId(text: string): string {
  return /^(?!0{32})[0-9a-f]{32}$/.test(text) ? text : stableHex(text, 32);
}

export function stableHex(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether it is a string that is a UUID. `test` alone would also accept a list with one in it. */
export function isUuid(value: unknown): boolean {
  return typeof value === "string" && UUID.test(value);
}
