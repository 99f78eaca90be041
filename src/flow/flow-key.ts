/** The key under which events of an activity are counted together, or are the same occasion. Pure. */
import type { Expression } from "../expression/expression.ts";
import { ExpressionError } from "../expression/expression-error.ts";
import type { Values } from "../expression/scope.ts";
import { canonicalJson } from "../json/canonical.ts";
import { isExactNumber } from "../json/exact-number.ts";
import { stableHex } from "../kernel/stable-id.ts";

const MAX_KEY_BYTES = 200;

/**
 * The value of a key as text: two values have the same text where they are the same JSON. At most 200 bytes: of a longer one, its
 * hash. Undefined where the value is null.
 * @throws ExpressionError where the expression fails, or its value is a list or an object
 */
export function evaluateKey(expression: Expression, values: Values): string | undefined {
  const value = expression.evaluate(values);
  if (value === null || value === undefined) return undefined;
  if (typeof value === "object" && !isExactNumber(value))
    throw new ExpressionError(`${expression.text} is ${Array.isArray(value) ? "a list" : "an object"}, and no key`, {
      hint: "Let it be a text, a number, true or false; json(x) makes a text of anything",
    });
  const text = canonicalJson(value);
  if (!text.isWellFormed()) throw new ExpressionError(`${expression.text} has half of a surrogate pair`);
  return Buffer.byteLength(text) <= MAX_KEY_BYTES ? text : `sha256:${stableHex(text, 64)}`;
}
