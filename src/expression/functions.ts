/** What expressions can call beyond CEL itself: mixed arithmetic for the numbers of JSON, and functions for tasks. */
import { type CelInput, CelScalar, celFunc, isCelList, isCelMap, mapType } from "@bufbuild/cel";
import { ExpressionError } from "./expression-error.ts";
import { toJsonValue } from "./values.ts";

const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar;
const MAP = mapType(DYN, DYN);

type Arithmetic = (left: number, right: number) => number;

const ARITHMETIC: readonly (readonly [string, Arithmetic])[] = [
  ["_+_", (left, right) => left + right],
  ["_-_", (left, right) => left - right],
  ["_*_", (left, right) => left * right],
  ["_/_", divide],
  ["_%_", remainder],
];

const arithmetic = ARITHMETIC.flatMap(([operator, compute]) => {
  const exact = (left: number, right: number) => keepExact(compute(left, right), left, right);
  return [
    celFunc(operator, [DOUBLE, DOUBLE], DOUBLE, exact),
    celFunc(operator, [DOUBLE, INT], DOUBLE, (left, right) => exact(left, toDouble(right))),
    celFunc(operator, [INT, DOUBLE], DOUBLE, (left, right) => exact(toDouble(left), right)),
  ];
});

export const functions = [
  ...arithmetic,
  ...[STRING, DOUBLE, INT, BOOL].map((type) =>
    // The library takes a key whose value is null for one that is not there.
    celFunc("@in", [type, MAP], BOOL, (key, map) => map.get(key) !== undefined),
  ),
  celFunc("get", [DYN, STRING, DYN], DYN, (value, path, otherwise) => get(value, path) ?? otherwise),
  celFunc("json", [DYN], STRING, (value) => JSON.stringify(toJsonValue(value))),
  celFunc("urlencode", [DYN], STRING, (value) =>
    encodeURIComponent(toText(value, "urlencode")).replace(
      /[!'()*]/g,
      (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
  ),
  celFunc("base64", [DYN], STRING, (value) => Buffer.from(toBytes(value, "base64")).toString("base64")),
  celFunc("sha256", [DYN], STRING, (value) =>
    new Bun.CryptoHasher("sha256").update(toBytes(value, "sha256")).digest("hex"),
  ),
];

function get(value: CelInput, path: string): CelInput | undefined {
  if (isCelMap(value)) {
    const found = value.get(path);
    if (found !== undefined) return found;
  }
  const dot = path.indexOf(".");
  const step = (key: string): CelInput | undefined => {
    if (isCelMap(value)) return value.get(key);
    return isCelList(value) && /^\d{1,9}$/.test(key) ? value.get(Number(key)) : undefined;
  };
  if (dot < 0) return step(path);
  const inner = step(path.slice(0, dot));
  return inner === undefined ? undefined : get(inner, path.slice(dot + 1));
}

function toBytes(value: CelInput, name: string): string | Uint8Array {
  return value instanceof Uint8Array ? value : toText(value, name);
}

function toText(value: CelInput, name: string): string {
  const json = toJsonValue(value);
  if (typeof json === "object" && json !== null && !("toJSON" in json))
    throw new ExpressionError(
      `${name}() takes a text, and is given a list or an object: ${name}(json(…)) takes its JSON`,
    );
  if (json === null) throw new ExpressionError(`${name}() takes a text, and is given null`);
  return String(json);
}

function divide(left: number, right: number): number {
  if (right === 0) throw new ExpressionError("a number is divided by zero");
  return left / right;
}

function remainder(left: number, right: number): number {
  if (right === 0) throw new ExpressionError("a number is divided by zero");
  if (!Number.isInteger(left) || !Number.isInteger(right))
    throw new ExpressionError(`% takes whole numbers, and is given ${left} and ${right}`);
  return left % right;
}

function toDouble(int: bigint): number {
  const double = Number(int);
  if (!Number.isSafeInteger(double) && BigInt(double) !== int)
    throw new ExpressionError(
      `${int} has more digits than a number with a fraction keeps: use int(…) for the other number`,
    );
  return double;
}

/** Beyond 2^53 a double skips whole numbers, so that a sum of two whole ones could be off by some. */
function keepExact(result: number, left: number, right: number): number {
  const isRounded = Number.isInteger(left) && Number.isInteger(right) && !Number.isSafeInteger(result);
  if (isRounded && Number.isInteger(result))
    throw new ExpressionError(`the result ${result} is beyond 2^53, where whole numbers would be rounded: use int(…)`);
  return result;
}
