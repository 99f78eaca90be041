/** Turns a TypeBox schema and a value into faults that a person can act on: every one at once, each with its path. */
import { KindGuard, type TSchema } from "@sinclair/typebox";
import { TypeSystemPolicy } from "@sinclair/typebox/system";
import { Value, ValueErrorType } from "@sinclair/typebox/value";
import type { Fault } from "../kernel/errors.ts";
import { isExactNumber } from "./exact-number.ts";

const MAX_FAULTS = 50;

// TypeBox would take an ExactNumber for an object of some fields. Here it is neither an object nor a number to it, so that it
// passes only where a schema takes any value.
const { IsObjectLike, IsRecordLike } = TypeSystemPolicy;
Object.assign(TypeSystemPolicy, {
  IsObjectLike: (value: unknown) => !isExactNumber(value) && IsObjectLike(value),
  IsRecordLike: (value: unknown) => !isExactNumber(value) && IsRecordLike(value),
});

/** All faults of `value` under `schema`, `path` before each; empty when it conforms. */
export function findFaults(schema: TSchema, value: unknown, path = ""): Fault[] {
  const faults = new Map<string, Fault>();
  for (const error of Value.Errors(schema, value)) {
    if (faults.size >= MAX_FAULTS) break;
    const at = path + error.path || "/";
    if (isWithin(at, faults)) continue;
    // TypeBox reports a missing field twice, and a wrong union once more for itself: the first word is the clearest.
    if (!faults.has(at))
      faults.set(at, { path: at, message: describe(error.type, error.schema, error.value, error.message) });
  }
  return [...faults.values()];
}

/** Whether a fault of something around it says all there is to say. */
function isWithin(path: string, faults: ReadonlyMap<string, Fault>): boolean {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
    if (faults.has(path.slice(0, end))) return true;
  }
  return false;
}

function describe(type: ValueErrorType, schema: TSchema, value: unknown, wording: string): string {
  if (type === ValueErrorType.ObjectAdditionalProperties) return "unknown field";
  if (type === ValueErrorType.ObjectRequiredProperty || value === undefined) {
    const choice = wordsForChoice(schema);
    return choice === undefined ? "is required" : `is required: ${choice}`;
  }
  const own = typeof schema.expected === "string" ? schema.expected : undefined;
  const expected = own ?? wordsForChoice(schema) ?? wording.replace(/^Expected /, "");
  return `expected ${expected}, received ${preview(value)}${describeNumber(schema, value)}`;
}

/** Ids are often numbers where they come from, and a text here. */
function describeNumber(schema: TSchema, value: unknown): string {
  if (typeof value !== "number" && !isExactNumber(value)) return "";
  const text = String(value);
  if (KindGuard.IsString(schema) && Value.Check(schema, text))
    return `, a number: write it as a text, in quotes: "${text}"`;
  return isExactNumber(value) ? " (more digits, or a larger one, than is taken here)" : "";
}

function wordsForChoice(schema: TSchema): string | undefined {
  if (KindGuard.IsLiteral(schema)) return JSON.stringify(schema.const);
  if (KindGuard.IsUnion(schema) && schema.anyOf.every(KindGuard.IsLiteral)) {
    return `one of ${schema.anyOf.map((option) => String((option as { const: unknown }).const)).join(", ")}`;
  }
  return undefined;
}

/** What is wrong with a value that is none of these names. */
export function describeChoice(value: unknown, names: readonly string[]): string {
  const choice = `one of ${names.join(", ")}`;
  return value === undefined ? `is required: ${choice}` : `expected ${choice}, received ${preview(value)}`;
}

/** A received value, short enough for an error line; half of a surrogate pair, which no database keeps, is in no end. */
export function preview(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77).toWellFormed()}...` : text;
}
