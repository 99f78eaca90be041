/**
 * Operators where they differ from the library's: numbers of JSON are doubles, and are computed with whole numbers of the
 * expression. A whole number is never rounded: where a double would not keep one, the operation is an error.
 */
import {
  type CelList,
  type CelMap,
  type CelValue,
  celList,
  isCelList,
  isCelMap,
  isCelType,
  isCelUint,
} from "@bufbuild/cel";
import { equals as equalsMessage } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { compareNumbers, type ExactNumber, readNumber } from "../../json/exact-number.ts";
import { spend } from "../budget.ts";
import { ExpressionError } from "../expression-error.ts";
import { exactNumberOf } from "../values.ts";
import { checkItems, checkLength } from "./texts.ts";

/** Answers undefined where the library's own operator is meant. */
type Operator = (left: CelValue, right: CelValue) => CelValue | undefined;

/** By the name that the syntax tree has for them. */
export const OPERATORS: Readonly<Record<string, Operator>> = {
  "_==_": equals,
  "_!=_": (left, right) => !equals(left, right),
  "@in": isIn,
  "_<_": ordered((order) => order < 0),
  "_<=_": ordered((order) => order <= 0),
  "_>_": ordered((order) => order > 0),
  "_>=_": ordered((order) => order >= 0),
  "_+_": (left, right) => add(left, right) ?? computed((a, b) => a + b)(left, right),
  "_-_": computed((a, b) => a - b),
  "_*_": computed((a, b) => a * b),
  "_/_": computed(divide),
  "_%_": computed(remainder),
};

/** As CEL compares, but what was made of an exact number is equal to one of the same value only. */
export function equals(left: CelValue, right: CelValue): boolean {
  if (left === right) return true;
  if (typeof left === "string" || typeof left === "boolean" || left === null) return false;
  const [a, b] = [isCelUint(left) ? left.value : left, isCelUint(right) ? right.value : right];
  if (typeof a === "number" || typeof a === "bigint")
    // biome-ignore lint/suspicious/noDoubleEquals: only so are a bigint and a number compared by value.
    return (typeof b === "number" || typeof b === "bigint") && a == b;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (isCelList(a)) return isCelList(b) && equalLists(a, b);
  if (isCelMap(a)) return isCelMap(b) && equalMaps(a, b);
  if (isCelType(a)) return isCelType(b) && a.kind === b.kind && a.name === b.name;
  return isReflectMessage(a) && isReflectMessage(b) && equalsMessage(a.desc, a.message, b.message);
}

function equalLists(left: CelList, right: CelList): boolean {
  if (left.size !== right.size) return false;
  let index = 0;
  for (const item of left) {
    spend(1);
    if (!equals(item, right.get(index++) as CelValue)) return false;
  }
  return true;
}

function equalMaps(left: CelMap, right: CelMap): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) {
    spend(1);
    const other = right.get(key);
    if (other === undefined || !equals(value, other)) return false;
  }
  return true;
}

function isIn(value: CelValue, container: CelValue): boolean | undefined {
  if (isCelMap(container)) {
    if (typeof value !== "object" || isCelUint(value)) return container.get(value as string) !== undefined;
    return undefined;
  }
  if (!isCelList(container)) return undefined;
  for (const item of container) {
    spend(0.5);
    if (equals(item, value)) return true;
  }
  return false;
}

function ordered(holds: (order: number) => boolean): Operator {
  return (left, right) => {
    const areTexts = typeof left === "string" && typeof right === "string";
    if (areTexts || (isNumber(left) && isNumber(right))) {
      // NaN is neither less than, equal to nor greater than anything.
      const order = left < right ? -1 : left > right ? 1 : left >= right ? 0 : Number.NaN;
      return holds(order);
    }
    const [a, b] = [toExact(left), toExact(right)];
    return a === undefined || b === undefined ? undefined : holds(compareNumbers(a, b));
  };
}

/** For what is or was a number of JSON; undefined for NaN and what is beyond all numbers, which no JSON has. */
function toExact(value: CelValue): number | ExactNumber | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  return typeof value === "bigint" ? readNumber(String(value)) : exactNumberOf(value);
}

function isNumber(value: CelValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Texts and lists. */
function add(left: CelValue, right: CelValue): CelValue | undefined {
  if (typeof left === "string" && typeof right === "string") {
    checkLength(left.length + right.length);
    return left + right;
  }
  if (!isCelList(left) || !isCelList(right)) return undefined;
  checkItems(left.size + right.size);
  spend(left.size + right.size);
  return celList([...left, ...right]);
}

function computed(compute: (left: number, right: number) => number): Operator {
  return (left, right) => {
    if (!isNumber(left) || !isNumber(right) || (typeof left === "bigint" && typeof right === "bigint"))
      return undefined;
    const [a, b] = [toDouble(left), toDouble(right)];
    const result = compute(a, b);
    const isRounded = Number.isInteger(a) && Number.isInteger(b) && Number.isInteger(result);
    if (isRounded && !Number.isSafeInteger(result))
      throw new ExpressionError(
        `the result, about ${result}, is beyond 2^53, where a double skips whole numbers: int(…) makes whole numbers of both`,
      );
    return result;
  };
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

function toDouble(number: number | bigint): number {
  const double = Number(number);
  if (typeof number === "bigint" && BigInt(double) !== number)
    throw new ExpressionError(
      `${number} has more digits than a double keeps: int(…) makes a whole number of the other one`,
    );
  return double;
}
