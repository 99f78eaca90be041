/** Functions of texts, where the library has none, takes too long for large ones, or answers something else than CEL says. */
import {
  type CelFunc,
  type CelList,
  CelScalar,
  type CelValue,
  celFunc,
  celList,
  celMethod,
  isCelError,
  listType,
} from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { spend } from "../budget.ts";
import { ExpressionError } from "../expression-error.ts";
import { MAX_RESULT, toJsonValue } from "../results.ts";

const { DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);

/** @throws ExpressionError for a text of more than `MAX_RESULT` characters */
export function checkLength(length: number): void {
  if (length > MAX_RESULT) throw new ExpressionError(`a text would have more than ${MAX_RESULT} characters`);
}

const MAX_ITEMS = 100_000;

/** @throws ExpressionError for a list of more than `MAX_ITEMS` items, where an operation makes one */
export function checkItems(count: number): void {
  if (count > MAX_ITEMS) throw new ExpressionError(`a list would have more than ${MAX_ITEMS} items`);
}

export const textFunctions: readonly CelFunc[] = [
  ...strings
    .filter(({ name }) => name !== "strings.quote")
    .map((func) => (func.name === "format" ? bounded(func) : func)),
  celMethod("lowerAscii", STRING, [], STRING, function () {
    return this.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  }),
  celMethod("upperAscii", STRING, [], STRING, function () {
    return this.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  }),
  celMethod("replace", STRING, [STRING, STRING], STRING, function (what, by) {
    return replace(this, what, by, -1n);
  }),
  celMethod("replace", STRING, [STRING, STRING, INT], STRING, function (what, by, count) {
    return replace(this, what, by, count);
  }),
  celMethod("split", STRING, [STRING], LIST, function (separator) {
    return split(this, separator, -1n);
  }),
  celMethod("split", STRING, [STRING, INT], LIST, function (separator, count) {
    return split(this, separator, count);
  }),
  celMethod("join", LIST, [], STRING, function () {
    return join(this, "");
  }),
  celMethod("join", LIST, [STRING], STRING, function (separator) {
    return join(this, separator);
  }),
  celFunc("size", [STRING], INT, (text) => BigInt(countCharacters(text))),
  celMethod("size", STRING, [], INT, function () {
    return BigInt(countCharacters(this));
  }),
  celFunc("json", [DYN], STRING, (value) => {
    const text = JSON.stringify(toJsonValue(value));
    spend(text.length / 8);
    return text;
  }),
  celFunc("urlencode", [DYN], STRING, (value) => urlencode(toText(value, "urlencode"))),
  celFunc("base64", [DYN], STRING, (value) => Buffer.from(toBytes(value, "base64")).toString("base64")),
  celFunc("sha256", [DYN], STRING, (value) =>
    new Bun.CryptoHasher("sha256").update(toBytes(value, "sha256")).digest("hex"),
  ),
];

/** Each argument of `format` is written once, so that their sizes bound the text. */
function bounded(format: CelFunc): CelFunc {
  return celMethod("format", STRING, [LIST], STRING, function (args) {
    const { length } = JSON.stringify(toJsonValue(args));
    checkLength(this.length + length);
    spend((this.length + length) / 2);
    const text = format.call(0, this, [withInts(this, args)]);
    if (isCelError(text)) throw text;
    return text as string;
  });
}

/** A whole number of JSON is a double, and %d, %x, %o and %b write ints only. */
function withInts(pattern: string, args: CelList): CelList {
  const letters = [...pattern.matchAll(/%(?:%|(?:\.\d*)?([a-zA-Z]))/g)].flatMap(([, letter]) => letter ?? []);
  return celList(
    Array.from(args, (arg, index) =>
      Number.isSafeInteger(arg) && /[dxXob]/.test(letters[index] ?? "") ? BigInt(arg as number) : arg,
    ),
  );
}

/** Of the first `count` occurrences; of all where it is negative. */
function replace(text: string, what: string, by: string, count: bigint): string {
  const parts = what === "" ? ["", ...text, ""] : text.split(what);
  const places = parts.length - 1;
  const replaced = count < 0n || count > BigInt(places) ? places : Number(count);
  checkLength(text.length + replaced * (by.length - what.length));
  spend(parts.length);
  return [parts.slice(0, replaced + 1).join(by), ...parts.slice(replaced + 1)].join(what);
}

/** At most `count` parts, of which the last has what is left; all where it is negative. */
function split(text: string, separator: string, count: bigint) {
  if (count === 0n) return celList([]);
  const parts = separator === "" ? [...text] : text.split(separator);
  spend(parts.length);
  checkItems(parts.length);
  if (count < 0n || BigInt(parts.length) <= count) return celList(parts);
  const first = parts.slice(0, Number(count) - 1);
  return celList([...first, parts.slice(Number(count) - 1).join(separator)]);
}

function join(list: Iterable<CelValue> & { size: number }, separator: string): string {
  spend(list.size);
  let length = 0;
  const texts: string[] = [];
  for (const item of list) {
    if (typeof item !== "string") throw new ExpressionError("join() takes texts: list.map(x, string(x)) makes them");
    length += item.length + separator.length;
    checkLength(length);
    texts.push(item);
  }
  return texts.join(separator);
}

/** As CEL counts: a character beyond 16 bits is one. */
function countCharacters(text: string): number {
  spend(text.length / 16);
  let count = text.length;
  for (let at = 1; at < text.length; at++) if (isPair(text.charCodeAt(at - 1), text.charCodeAt(at))) count--;
  return count;
}

function isPair(high: number, low: number): boolean {
  return (high & 0xfc00) === 0xd800 && (low & 0xfc00) === 0xdc00;
}

/** RFC 3986: all but the unreserved characters are escaped. */
function urlencode(text: string): string {
  const encode = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, encode);
}

function toBytes(value: CelValue, name: string): string | Uint8Array {
  return value instanceof Uint8Array ? value : toText(value, name);
}

function toText(value: CelValue, name: string): string {
  if (typeof value === "string") return value;
  const json = toJsonValue(value);
  if (json === null) throw new ExpressionError(`${name}() is given null, and takes a text`);
  if (typeof json === "object" && !("toJSON" in json))
    throw new ExpressionError(
      `${name}() is given a list or an object, and takes a text: ${name}(json(…)) takes its JSON`,
    );
  return String(json);
}
