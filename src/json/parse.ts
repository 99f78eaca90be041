/** JSON text → values, of which no number is changed. Use it instead of JSON.parse for whatever comes from outside. */
import type { Fault } from "../errors.ts";
import { isWithinDepth } from "./depth.ts";
import { readNumber } from "./exact-number.ts";
import { pointTo } from "./pointer.ts";

/** Digits of a number, as many as a double may not keep; also a part of other texts. */
const LONG = /[\d.]{16}/;
/** A number so near to zero that a double may be zero instead. */
const TINY = /\d[eE]-\d{3}/;
/** What is nested deeper is read by JSON.parse alone, which takes any depth: it is refused wherever it comes from. */
const MAX_LEVELS = 1000;

type Revive = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
const parseWith = JSON.parse as (text: string, revive: Revive) => unknown;

/** A number whose exponent nobody means. */
export class NumberFaultError extends SyntaxError {
  constructor(readonly fault: Fault) {
    super(`${fault.path} ${fault.message}`);
  }
}

/**
 * As JSON.parse, but a number that a double would change is an ExactNumber. Where there is none it costs about a tenth
 * more than JSON.parse, and where there may be one, some ten times as much.
 * @throws SyntaxError; NumberFaultError, which is one
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!mayBeChanged(text, value) || !isWithinDepth(value, MAX_LEVELS)) return value;
  let isKept = true;
  const exact = parseWith(text, (_key, inner, { source }) => {
    if (typeof inner !== "number" || source === undefined) return inner;
    const number = readNumber(source);
    isKept &&= number !== undefined;
    return number ?? new Unkept(source);
  });
  if (!isKept) throw new NumberFaultError(findUnkept(exact, "") as Fault);
  return exact;
}

/** Stands for a number until its path is known. */
class Unkept {
  constructor(readonly source: string) {}
}

function findUnkept(value: unknown, path: string): Fault | undefined {
  if (value instanceof Unkept)
    return { path: path || "/", message: `${shorten(value.source)} is beyond what can be kept` };
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const fault = findUnkept(inner, pointTo(path, key));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function shorten(literal: string): string {
  return literal.length > 40 ? `${literal.slice(0, 37)}...` : literal;
}

/** A number of fewer than 16 digits is printed as it was read, unless it is too large or too small for a double. */
function mayBeChanged(text: string, value: unknown): boolean {
  if (LONG.test(text)) return true;
  return ((text.includes("e-") || text.includes("E-")) && TINY.test(text)) || hasInfinite(value, MAX_LEVELS);
}

function hasInfinite(value: unknown, levels: number): boolean {
  if (typeof value === "number") return value === Infinity || value === -Infinity;
  if (typeof value !== "object" || value === null || levels === 0) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (hasInfinite(item, levels - 1)) return true;
    return false;
  }
  for (const key in value) if (hasInfinite((value as Record<string, unknown>)[key], levels - 1)) return true;
  return false;
}
