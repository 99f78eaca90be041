/** What went wrong in an evaluation, in words that name it. */
import { isCelError } from "@bufbuild/cel";
import { describeValue, describeValues, shorten, valueUnder, writePath } from "./explanation.ts";
import { ExpressionError } from "./expression-error.ts";
import type { Path } from "./paths.ts";
import type { Values } from "./scope.ts";

/**
 * The error with the text of the expression, and with the values that it read. Of an expression that reads a secret
 * neither is said: a part of the secret could be in them.
 */
export function toExpressionError(error: unknown, text: string, paths: readonly Path[], values: Values): unknown {
  if (!isCelError(error) && !(error instanceof ExpressionError)) return error;
  const { message, cause } = error;
  const key = /^field not found: (.*)$/s.exec(message)?.[1];
  const missing = paths
    .map((path) => findMissing(path, values))
    .find((found) => found !== undefined && (key === undefined || key === String(found.key)))?.words;
  if (paths.some(({ root }) => root === "secret"))
    return new ExpressionError(
      withText(missing ?? "has no result; it reads a secret, so that its values are not told", text),
    );
  const own = error instanceof ExpressionError ? error : cause instanceof ExpressionError ? cause : undefined;
  if (own !== undefined)
    return new ExpressionError(withText(own.message, text), { ...(own.hint && { hint: own.hint }) });
  if (/^(field not found|index .* out of bounds|unsupported input undefined)/.test(message) && missing !== undefined)
    return new ExpressionError(withText(missing, text));
  const facts = describeValues(paths, values);
  return new ExpressionError(withText(facts === "" ? reword(message) : `${reword(message)}, where ${facts}`, text));
}

function withText(message: string, text: string): string {
  return `${shorten(text)}: ${shorten(message)}`;
}

/** The first key of a path that is not there; undefined where all of them are. */
function findMissing({ root, keys }: Path, values: Values): { key: string | number; words: string } | undefined {
  for (const [index, key] of keys.entries()) {
    const upTo = keys.slice(0, index);
    const value = valueUnder({ root, keys: upTo }, values) ?? null;
    const words = describeMissing(writePath(root, upTo), value, key, root === "secret");
    if (words !== undefined) return { key, words };
  }
  return undefined;
}

function describeMissing(name: string, value: unknown, key: string | number, isSecret: boolean): string | undefined {
  if (typeof value !== "object" || value === null)
    return `${name} is ${isSecret ? "a text" : describeValue(value)}, and has no ${describeKey(key)}`;
  if (Object.hasOwn(value, key)) return undefined;
  return Array.isArray(value) && typeof key === "number"
    ? `${name} has no item ${key}: it has ${value.length}, counted from 0`
    : `${name} has no ${describeKey(key)}`;
}

function describeKey(key: string | number): string {
  return typeof key === "number" ? `item ${key}` : `key ${JSON.stringify(key)}`;
}

const REWORDINGS: readonly (readonly [RegExp, (first: string, ...others: string[]) => string])[] = [
  [/^field not found: (.*)$/s, (key) => `there is no key ${JSON.stringify(key)}`],
  [/^index (.*) out of bounds/, (index) => `there is no item ${index}`],
  [/^unsupported input undefined/, () => "there is no such item: an index is a whole number"],
  [/^type mismatch: iterable vs (.*)$/, (type) => `a loop goes over a list or an object, and is given ${wordOf(type)}`],
  [/^type mismatch: expected bool, got (.*)$/, (type) => `&& and || take true or false, and are given ${wordOf(type)}`],
  [
    /^found no matching overload for _\?_:_ applied to '\((.*)\)'$/,
    (type) => `? takes true or false, and is given ${wordOf(type)}`,
  ],
  [
    /^found no matching overload for '(.*)' applied to '(.*)\((.*)\)'$/s,
    (name, target = "", args = "") =>
      describeNoOverload(name, [target.replace(/\(.*|\.$/g, ""), ...args.split(", ")].filter(Boolean)),
  ],
  [/^map key conflict: (.*)$/s, (key) => `the key ${key} is there twice`],
  [/^Failed to parse duration/, () => 'duration() takes a text such as "90s", "15m" or "1h30m"'],
  [/^Failed to parse timestamp/, () => 'timestamp() takes a time such as "2026-12-24T18:00:00Z"'],
  [/(divide|modulus) by zero$/, () => "a number is divided by zero"],
  [/^(int|uint) overflow/, () => "the result has more than 64 bits"],
  [/^unsupported key type$/, () => "a key is a text, a whole number, true or false"],
];

/** What the library says, in plain words. */
export function reword(message: string): string {
  for (const [pattern, write] of REWORDINGS) {
    const found = pattern.exec(message);
    if (found !== null) return write(found[1] ?? "", ...found.slice(2));
  }
  return message;
}

/** `name` is that of the syntax tree; `types` are those that it was given. */
function describeNoOverload(name: string, types: readonly string[]): string {
  const operator = name === "@in" ? "in" : name.replace(/^_?([^\w@]+)_?$/, "$1");
  const what = /^\w+$/.test(operator) && operator !== "in" ? `${operator}()` : operator;
  return `${what} does not take ${types.map(wordOf).join(" and ")}`;
}

function wordOf(type = ""): string {
  const word: Readonly<Record<string, string>> = {
    int: "a whole number",
    uint: "a whole number (uint)",
    double: "a number",
    bool: "true or false",
    string: "a text",
    bytes: "bytes",
    null_type: "null",
    list: "a list",
    map: "an object",
    number: "a number with more digits than can be computed with",
    "google.protobuf.Timestamp": "a time",
    "google.protobuf.Duration": "a duration",
  };
  return word[type.replace(/\(.*$/, "")] ?? type;
}
