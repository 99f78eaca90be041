/**
 * Exact numbers under a JSON Schema. Ajv knows JavaScript's numbers only: it is given a value in which others stand for
 * them, and the keywords that look at a number's value look at the one that was sent.
 */
import { type Ajv2020, type FuncKeywordDefinition, str, _ as template } from "ajv/dist/2020.js";
import type { DataValidationCxt } from "ajv/dist/types/index.js";
import { canonicalJson } from "./canonical.ts";
import {
  compareNumbers,
  type ExactNumber,
  hasExactNumber,
  isExactNumber,
  isMultipleOf,
  isWhole,
} from "./exact-number.ts";

type AnyNumber = number | ExactNumber;

/** What a list or an object was copied from. */
const originals = new WeakMap<object, object>();

/** The arguments for a check of `value` by Ajv: without exact numbers, of the same types and lengths. */
export function standIn(value: unknown): [value: unknown, context?: DataValidationCxt] {
  if (!hasExactNumber(value)) return [value];
  const holder = copy({ value }) as { value: unknown };
  const context = { parentData: holder, parentDataProperty: "value", instancePath: "", rootData: holder.value };
  return [holder.value, { ...context, dynamicAnchors: {} } as DataValidationCxt];
}

function copy(value: unknown): unknown {
  if (isExactNumber(value)) return approximate(value);
  if (typeof value !== "object" || value === null) return value;
  const copied = Array.isArray(value)
    ? value.map(copy)
    : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copy(inner)]));
  originals.set(copied, value);
  return copied;
}

/** A number of the same sign that is whole where the exact one is. */
function approximate(number: ExactNumber): number {
  if (!isWhole(number)) return number.text.startsWith("-") ? -0.5 : 0.5;
  return Math.max(-Number.MAX_VALUE, Math.min(Number(number.text), Number.MAX_VALUE));
}

function originalOf(data: unknown, context: DataValidationCxt | undefined): unknown {
  if (typeof data === "object" && data !== null) return originals.get(data) ?? data;
  if (typeof data !== "number" || context === undefined) return data;
  const parent = originals.get(context.parentData) as Record<string, unknown> | undefined;
  return parent === undefined ? data : parent[context.parentDataProperty];
}

/** Replaces keywords of Ajv by ones with the same messages that also take exact numbers, in the schema and in the value. */
export function addExactKeywords(ajv: Ajv2020): void {
  const add = (
    keyword: string,
    definition: Omit<FuncKeywordDefinition, "keyword" | "validate" | "errors">,
    // biome-ignore lint/suspicious/noExplicitAny: Ajv has checked the types of both.
    isValid: (wanted: any, value: any) => boolean,
  ) => {
    ajv.removeKeyword(keyword);
    ajv.addKeyword({
      keyword,
      ...definition,
      errors: false,
      validate: (wanted: unknown, data: unknown, _schema?: object, context?: DataValidationCxt) =>
        isValid(wanted, originalOf(data, context)),
    });
  };
  const comparisons: [keyword: string, wording: string, holds: (value: AnyNumber, wanted: AnyNumber) => boolean][] = [
    ["minimum", ">=", (value, limit) => compareNumbers(value, limit) >= 0],
    ["maximum", "<=", (value, limit) => compareNumbers(value, limit) <= 0],
    ["exclusiveMinimum", ">", (value, limit) => compareNumbers(value, limit) > 0],
    ["exclusiveMaximum", "<", (value, limit) => compareNumbers(value, limit) < 0],
    // Ajv's own finds that 0.07 is no multiple of 0.01: their quotient is 7.000000000000001.
    ["multipleOf", "multiple of", isMultipleOf],
  ];
  for (const [keyword, wording, holds] of comparisons)
    add(
      keyword,
      { type: "number", error: { message: ({ schemaCode }) => str`must be ${wording} ${schemaCode}` } },
      (wanted: AnyNumber, value: AnyNumber) => holds(value, wanted),
    );
  add(
    "const",
    {
      error: {
        message: "must be equal to constant",
        params: ({ schemaCode }) => template`{allowedValue: ${schemaCode}}`,
      },
    },
    (wanted: unknown, value: unknown) => isEqual(value, wanted),
  );
  add(
    "enum",
    {
      schemaType: "array",
      error: {
        message: "must be equal to one of the allowed values",
        params: ({ schemaCode }) => template`{allowedValues: ${schemaCode}}`,
      },
    },
    (allowed: unknown[], value: unknown) => allowed.some((wanted) => isEqual(value, wanted)),
  );
  // Ajv's own compares every item with every other.
  add(
    "uniqueItems",
    { type: "array", schemaType: "boolean", error: { message: "must not have two equal items" } },
    (wanted: boolean, items: unknown[]) => !wanted || new Set(items.map(canonicalJson)).size === items.length,
  );
}

function isEqual(a: unknown, b: unknown): boolean {
  // A zero may have a sign.
  return a === b || Bun.deepEquals(a, b, true);
}
