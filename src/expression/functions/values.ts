/** `get()`, and conversions that the library makes of texts that are no such value, or of large ones too slowly. */
import { type CelFunc, CelScalar, type CelValue, celFunc, isCelList, isCelMap, objectType } from "@bufbuild/cel";
import { TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { spend } from "../budget.ts";
import { ExpressionError } from "../expression-error.ts";
import { EXACT_NUMBER, exactNumberOf } from "../values.ts";

const { DOUBLE, DYN, INT, STRING } = CelScalar;

const MAX_INT = 2n ** 63n - 1n;
const TIMESTAMP = objectType(TimestampSchema);

export const valueFunctions: readonly CelFunc[] = [
  celFunc("get", [DYN, STRING, DYN], DYN, (value, path, otherwise) => get(value, path) ?? otherwise),
  celFunc("int", [STRING], INT, (text) => {
    const int = /^[+-]?\d{1,19}$/.test(text) ? BigInt(text.replace("+", "")) : undefined;
    if (int === undefined || int > MAX_INT || int < -MAX_INT - 1n)
      throw new ExpressionError(`int() takes the digits of a whole number of 64 bits, and is given ${shorten(text)}`);
    return int;
  }),
  celFunc("double", [STRING], DOUBLE, (text) => {
    const number = /^[\s]*$/.test(text) ? Number.NaN : Number(text);
    if (Number.isNaN(number) && text !== "NaN")
      throw new ExpressionError(`double() takes the digits of a number, and is given ${shorten(text)}`);
    return number;
  }),
  celFunc("string", [objectType(EXACT_NUMBER)], STRING, (number) => String(exactNumberOf(number))),
  // Seconds since 1970, as int(timestamp) answers them.
  celFunc("timestamp", [INT], TIMESTAMP, (seconds) => toTimestamp(Number(seconds))),
  celFunc("timestamp", [DOUBLE], TIMESTAMP, toTimestamp),
];

function toTimestamp(seconds: number) {
  if (!(seconds >= -62_135_596_800 && seconds <= 253_402_300_799))
    throw new ExpressionError(`timestamp() takes seconds since 1970, and is given ${seconds}`);
  return timestampFromMs(Math.round(seconds * 1000));
}

/** Undefined where something is missing on the way. A key that is spelt with dots is found before those that they part. */
function get(value: CelValue, path: string): CelValue | undefined {
  spend(1 + path.length / 8);
  if (isCelList(value)) {
    const [index, rest] = cut(path);
    const item = /^\d{1,9}$/.test(index) ? value.get(Number(index)) : undefined;
    return item === undefined || rest === undefined ? item : get(item, rest);
  }
  if (!isCelMap(value)) return undefined;
  const whole = value.get(path);
  if (whole !== undefined) return whole;
  const [key, rest] = cut(path);
  const inner = rest === undefined ? undefined : value.get(key);
  return inner === undefined ? undefined : get(inner, rest as string);
}

function cut(path: string): [string, string | undefined] {
  const dot = path.indexOf(".");
  return dot < 0 ? [path, undefined] : [path.slice(0, dot), path.slice(dot + 1)];
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 37).toWellFormed()}...` : text);
}
