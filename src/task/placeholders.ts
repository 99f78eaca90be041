/**
 * Placeholders in what a task sends. This version fills in none, so one would go out as it is written: braces in a URL,
 * `Bearer ${TOKEN}` as a header. They are refused until they mean something.
 */

import { preview } from "../json/faults.ts";
import { pointTo } from "../json/pointer.ts";
import type { Fault } from "../kernel/errors.ts";

/** From the opening braces to the closing ones, or, where these are missing, to the end. */
const PLACEHOLDER = /\{\{.*?(?:\}\}|$)|\$\{.*?(?:\}|$)/su;

/** A fault for each text of `value` that has one, the keys of objects included; `path` is that of `value`. */
export function findPlaceholders(value: unknown, path: string): Fault[] {
  if (typeof value === "string") {
    const message = describePlaceholder(value);
    return message === undefined ? [] : [{ path, message }];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const message = describePlaceholder(key);
    const ofKey = message === undefined ? [] : [{ path, message: `its key ${preview(key)}: ${message}` }];
    return [...ofKey, ...findPlaceholders(inner, pointTo(path, key))];
  });
}

function describePlaceholder(text: string): string | undefined {
  const found = PLACEHOLDER.exec(text)?.[0];
  if (found === undefined) return undefined;
  const what = found.startsWith("$")
    ? "variables of the environment are not filled in"
    : "expressions are not evaluated";
  return `${preview(found)} would be sent as it is written: ${what} in this version`;
}
