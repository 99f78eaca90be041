/**
 * Numbers of JSON that a JavaScript number would change: `9007199254740993` would become …992, and `1e400` no number at
 * all. Such a number is kept as an ExactNumber, which JSON.stringify prints as it was; every other one is a plain number.
 *
 * A value has one form: what a plain number keeps is never an ExactNumber, of two that are equal the texts are equal, and
 * minus zero is zero, as it is once it was stored. So Bun.deepEquals (strict) compares numbers by their values, whichever way
 * they were written.
 */

declare global {
  interface JSON {
    rawJSON(text: string): unknown;
    isRawJSON(value: unknown): boolean;
    /** `source` is the text of a value that is neither a list nor an object. */
    parse(text: string, revive: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  }
}

/** Made by `readNumber` only. */
export class ExactNumber {
  /** As JSON: with all its digits, and with an exponent where many zeros would stand before or after them. */
  constructor(readonly text: string) {}

  toJSON(): unknown {
    return JSON.rawJSON(this.text);
  }

  toString(): string {
    return this.text;
  }
}

export function isExactNumber(value: unknown): value is ExactNumber {
  return value instanceof ExactNumber;
}

/** Whether the value is or contains an exact number. */
export function hasExactNumber(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return isExactNumber(value) || Object.values(value).some(hasExactNumber);
}

/** A number is `sign × 0.{digits} × 10^point`; the digits neither begin nor end with a zero, and zero has none. */
interface Decimal {
  sign: "" | "-";
  digits: string;
  point: number;
}

/** How many zeros are written out after the digits, and before them. In place of more an exponent is written. */
const MAX_ZEROS_AFTER = 21;
const MAX_ZEROS_BEFORE = 5;

/** Digits of an exponent. With more of them a number would take long to read, and nobody means such a one. */
const MAX_EXPONENT_DIGITS = 15;

/**
 * The value of a literal of JSON: a plain number where that prints as the same value again. Undefined where the exponent
 * has too many digits to be kept.
 */
export function readNumber(literal: string): number | ExactNumber | undefined {
  const exponent = /[eE][+-]?0*(\d+)$/.exec(literal)?.[1] ?? "";
  if (exponent.length > MAX_EXPONENT_DIGITS) return undefined;
  const rounded = Number(literal);
  const text = writeDecimal(parseDecimal(literal));
  const isKept = Number.isFinite(rounded) && writeDecimal(parseDecimal(String(rounded))) === text;
  return isKept ? rounded + 0 : new ExactNumber(text); // of minus zero and zero the sum is zero
}

/** Negative, zero or positive, as `a` is less than, equal to or greater than `b`. */
export function compareNumbers(a: number | ExactNumber, b: number | ExactNumber): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [x, y] = [parseDecimal(String(a)), parseDecimal(String(b))];
  const [signX, signY] = [signOf(x), signOf(y)];
  if (signX !== signY || signX === 0) return signX - signY;
  if (x.point !== y.point) return x.point > y.point ? signX : -signX;
  if (x.digits === y.digits) return 0;
  return x.digits > y.digits ? signX : -signX;
}

export function isWhole(value: number | ExactNumber): boolean {
  return typeof value === "number" ? Number.isInteger(value) : scaleOf(parseDecimal(value.text)) >= 0;
}

/**
 * Whether `value` is a whole number of times `divisor`, which is not zero. Of two plain numbers, by their quotient, to as
 * much as binary fractions make of it: 0.07 / 0.01 is 7.000000000000001. Else by their decimal digits.
 */
export function isMultipleOf(value: number | ExactNumber, divisor: number | ExactNumber): boolean {
  if (typeof value === "number" && typeof divisor === "number") {
    if (Number.isInteger(value) && Number.isInteger(divisor)) return value % divisor === 0;
    const quotient = value / divisor;
    return Math.abs(quotient - Math.round(quotient)) <= 2 * Number.EPSILON * Math.abs(quotient);
  }
  const [of, by] = [parseDecimal(String(value)), parseDecimal(String(divisor))];
  const scale = scaleOf(of) - scaleOf(by);
  if (of.digits === "") return true;
  // Its digits do not end with a zero, so no power of ten divides them.
  if (scale < 0) return false;
  const modulus = BigInt(by.digits);
  return (remainderOf(of.digits, modulus) * remainderOfPower(10n, BigInt(scale), modulus)) % modulus === 0n;
}

function parseDecimal(literal: string): Decimal {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const all = whole + fraction;
  let first = 0;
  while (all[first] === "0") first++;
  let end = all.length;
  while (end > first && all[end - 1] === "0") end--;
  const digits = all.slice(first, end);
  if (digits === "") return { sign: "", digits, point: 0 };
  return { sign: sign as Decimal["sign"], digits, point: Number(exponent) + whole.length - first };
}

function writeDecimal({ sign, digits, point }: Decimal): string {
  const { length } = digits;
  if (length === 0) return "0";
  if (point < -MAX_ZEROS_BEFORE || point - length > MAX_ZEROS_AFTER) {
    const exponent = point - 1;
    const fraction = length > 1 ? `.${digits.slice(1)}` : "";
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? "" : "+"}${exponent}`;
  }
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point >= length) return `${sign}${digits}${"0".repeat(point - length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

function signOf({ sign, digits }: Decimal): number {
  return digits === "" ? 0 : sign === "-" ? -1 : 1;
}

/** The power of ten of the last digit. */
function scaleOf({ digits, point }: Decimal): number {
  return point - digits.length;
}

/** Reads some digits at a time: BigInt takes seconds to read a million of them at once. */
function remainderOf(digits: string, modulus: bigint): bigint {
  const STEP = 15;
  let remainder = 0n;
  for (let at = 0; at < digits.length; at += STEP) {
    const part = digits.slice(at, at + STEP);
    remainder = (remainder * 10n ** BigInt(part.length) + BigInt(part)) % modulus;
  }
  return remainder;
}

function remainderOfPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n % modulus;
  let square = base % modulus;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}
