/** JSON text → values, of which no number is changed. Use it instead of JSON.parse for whatever comes from outside. */
import type { Fault } from "../kernel/errors.ts";
import { isWithinDepth } from "./depth.ts";
import { readNumber } from "./exact-number.ts";
import { pointTo } from "./pointer.ts";

/** A value that is nested deeper is left as JSON.parse reads it: whoever asked for it refuses it for its depth. */
const MAX_LEVELS = 1000;
/**
 * Finds out, without parsing, whether a text of JSON may have a number that JSON.parse would change: one of 16 characters and
 * more, one with an exponent of three digits and more, or minus zero, which JSON.parse keeps apart from zero, and what
 * stores or prints it does not. Such a number stands where a value may begin, though the same may stand within a string too.
 */
const MAY_CHANGE = /(?:^|[\s:,[])-?(?:[\d.]{16}|\d[\d.]*[eE][-+]?\d{3}|(?<=-)0(?:\.0+)?(?:[eE][-+]?\d+)?(?![\d.eE]))/;

/** The text has a number whose exponent is too long to be kept. */
export class NumberFaultError extends SyntaxError {
  constructor(readonly fault: Fault) {
    super(`${fault.path} ${fault.message}`);
  }
}

/**
 * As JSON.parse, but a number that a double would change is an ExactNumber, and minus zero is zero. Takes about twice as
 * long as JSON.parse where there is neither (2 µs more for a kilobyte), and twelve times as long where there is one.
 * @throws SyntaxError; NumberFaultError, which is one
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!MAY_CHANGE.test(text) || !isWithinDepth(value, MAX_LEVELS)) return value;
  let isKept = true;
  const exact = JSON.parse(text, (_, inner, { source = "" }) => {
    if (typeof inner !== "number" || String(inner) === source) return inner;
    const number = readNumber(source);
    isKept &&= number !== undefined;
    return number ?? new Unkept(source);
  });
  const fault = isKept ? undefined : findUnkept(exact, "");
  if (fault !== undefined) throw new NumberFaultError(fault);
  return exact;
}

/**
 * The items of a JSON list, each read as by `parseJson`; where one has a number that cannot be kept, its NumberFaultError stands in
 * its place. Undefined where the text is JSON, and no list.
 * @throws SyntaxError
 */
export function parseJsonList(text: string): unknown[] | undefined {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) return undefined;
  // Only the items that need it are read exactly: of a large list that takes a second.
  return MAY_CHANGE.test(text) ? splitList(text).map(parseItem) : list;
}

function parseItem(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof NumberFaultError) return error;
    throw error;
  }
}

/** The texts of the items. `text` is a list in JSON. */
function splitList(text: string): string[] {
  const items: string[] = [];
  let from = text.indexOf("[") + 1;
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === "[" || character === "{") depth++;
    else if (depth > 0) depth -= character === "]" || character === "}" ? 1 : 0;
    else if (character === "," || character === "]") {
      items.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return items.length === 1 && items[0]?.trim() === "" ? [] : items;
}

/** Where the string that begins at `start` has its closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** Stands for a number until its path is known. */
class Unkept {
  constructor(readonly literal: string) {}
}

function findUnkept(value: unknown, path: string): Fault | undefined {
  if (value instanceof Unkept)
    return { path: path || "/", message: `${shorten(value.literal)} is beyond what can be kept` };
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
