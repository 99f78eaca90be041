/**
 * How much of a definition is expressions. To check one takes some microseconds for each of its characters, so that the
 * megabyte that a request may have would hold up its process for seconds.
 */
import { isExactNumber } from "../json/exact-number.ts";
import type { Fault } from "../kernel/errors.ts";

/** The most characters of all expressions of a definition together. */
const MAX_CHARACTERS = 25_000;

/** Fields whose texts, or the texts of whose list, are expressions without braces. */
const FIELDS: ReadonlySet<string> = new Set(["when", "for_each", "select", "args"]);

/** The one fault of a definition that has too many expressions to be looked at. */
export function findAmountFaults(definition: unknown): Fault[] {
  const count = countCharacters(definition, false);
  if (count <= MAX_CHARACTERS) return [];
  return [{ path: "/", message: `has ${count} characters of expressions, and at most ${MAX_CHARACTERS} are taken` }];
}

function countCharacters(value: unknown, isExpression: boolean): number {
  if (typeof value === "string") {
    if (isExpression) return value.length;
    return (value.match(/\{\{[\s\S]*?(?:\}\}|$)/g) ?? []).reduce((sum, { length }) => sum + length, 0);
  }
  if (typeof value !== "object" || value === null || isExactNumber(value)) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countCharacters(item, isExpression), 0);
  return Object.entries(value).reduce((sum, [key, inner]) => sum + countCharacters(inner, FIELDS.has(key)), 0);
}
