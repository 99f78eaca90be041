/**
 * From a file's text to plain values, each with its lines. YAML 1.2, or JSON where the file's name ends so.
 *
 * What a reader would misunderstand is a fault and not passed on in silence: a key that stands twice, an unknown tag, a
 * number that JSON cannot write, a trailing comma in JSON. Aliases and merge keys are expanded, but to no more than a
 * file may have.
 */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
} from "yaml";
import { MAX_DEPTH, TOO_DEEP } from "../json/depth.ts";
import { readNumber } from "../json/exact-number.ts";
import { preview } from "../json/faults.ts";
import { findJsonFault } from "../json/json-text.ts";
import { keysOf } from "../json/pointer.ts";
import { describeError } from "../kernel/errors.ts";
import { findCrontabLine } from "./crontab-text.ts";
import { describeUnquoted } from "./unquoted-text.ts";

/** Bytes of one file, and roughly of those of its documents that have aliases when these are expanded. */
export const MAX_FILE_BYTES = 1_048_576;
const MAX_ALIASES = 100;
/** Characters of a number with another base than ten: reading one takes time that grows with their square. */
const MAX_BASED_LENGTH = 1_000;

/** One document of a text. */
export interface TextDocument {
  /** Where it begins; the first line is 1. */
  line: number;
  value: unknown;
  /** The line of the deepest part of the JSON pointer `path` (`/task_templates/0/key`) that stands in the text. */
  lineOf(path: string): number;
}

/** What keeps a document from being read at all. */
export interface TextFault {
  line: number;
  message: string;
}

interface Found {
  offset: number;
  message: string;
}

/** The documents of a text, each read when it is asked for; those without content are left out. Never throws. */
export function* readDocumentText(input: string, format: "yaml" | "json"): Generator<TextDocument | TextFault> {
  const text = input.replace(/^\ufeff/, "");
  const lines = new LineCounter();
  const lineAt = (offset: number) => lines.linePos(offset).line || 1;
  const toFault = ({ offset, message }: Found): TextFault => ({ line: lineAt(offset), message });
  const room = { left: MAX_FILE_BYTES };
  try {
    // A JSON file's documents may stand in a list, which is no level of theirs.
    for (const document of parse(text, lines, format === "json" ? MAX_DEPTH + 1 : MAX_DEPTH)) {
      if ("message" in document) {
        yield toFault(document);
        if (format === "json") return;
        continue;
      }
      keepNumbers(document);
      const broken = format === "json" ? findJsonFault(text) : undefined;
      const found = broken === undefined ? findFaults(document, room, text) : [broken];
      yield* found.map(toFault);
      if (broken !== undefined) return;
      if (found.length > 0) continue;
      const { contents } = document;
      // A list in a JSON file is what several documents are in YAML.
      for (const node of format === "json" && isSeq(contents) ? contents.items : [contents]) {
        if (!isNode(node) || (isScalar(node) && node.value === null)) continue;
        yield {
          line: lineAt(node.range?.[0] ?? 0),
          value: node.toJS(document, { maxAliasCount: -1 }),
          lineOf: (path) => lineAt(offsetOf(node, path)),
        };
      }
    }
  } catch (error) {
    yield { line: 1, message: describeError(error) };
  }
}

/** In place of a document that is nested deeper than `depth` levels, where it is: the composer would run out of stack. */
function* parse(text: string, lines: LineCounter, depth: number): Generator<Document | Found> {
  const composer = new Composer({
    schema: "core",
    merge: true,
    stringKeys: true,
    resolveKnownTags: false,
    // The composer's own check compares every key with every other, which takes too long for many keys.
    uniqueKeys: false,
  });
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    const offset = token.type === "document" ? findTooDeep(token, depth) : undefined;
    if (offset === undefined) yield* composer.next(token);
    else {
      const { value: _, ...empty } = token as CST.Document;
      // The composer yields a document when the next one comes: this token makes it yield the one before.
      yield* composer.next(empty);
      yield { offset, message: TOO_DEEP.message };
    }
  }
  yield* composer.end(true, text.length);
}

/** Where the first map or list stands that is more than `depth` levels deep. */
function findTooDeep(document: CST.Document, depth: number): number | undefined {
  const open: { token: CST.Token | null | undefined; level: number }[] = [{ token: document.value, level: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, level } = next;
    if (!token || !("items" in token)) continue;
    if (level > depth) return token.offset;
    for (const { key, value } of token.items.toReversed())
      open.push({ token: value, level: level + 1 }, { token: key, level: level + 1 });
  }
  return undefined;
}

/** The first error of the syntax, or else everything that would be read in another way than it looks. */
function findFaults(document: Document, room: { left: number }, text: string): Found[] {
  const [error] = [...document.errors, ...document.warnings];
  const broken =
    error === undefined ? findExpansionFault(document, room) : { offset: error.pos[0], message: error.message };
  if (broken !== undefined) {
    const { offset, message } = broken;
    const start = text.lastIndexOf("\n", offset - 1) + 1;
    const end = text.indexOf("\n", offset);
    const line = findCrontabLine(text, start, end === -1 ? text.length : end);
    return [line ?? { offset, message: describeUnquoted(text, offset, message) ?? message }];
  }
  const { contents } = document;
  if (isScalar(contents) && typeof contents.value === "string") {
    const [start, end] = contents.range ?? [0, text.length];
    const line = findCrontabLine(text, start, end);
    if (line !== undefined) return [line];
  }
  const found: Found[] = [];
  for (const node of nodesOf(document)) {
    if (isScalar(node) && typeof node.value === "number" && !Number.isFinite(node.value))
      found.push({ offset: node.range?.[0] ?? 0, message: `${preview(node.source)} is no number that can be kept` });
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const { key } of node.items) {
      if (!isScalar(key)) continue;
      const name = String(key.value);
      if (seen.has(name)) found.push({ offset: key.range?.[0] ?? 0, message: `the key ${preview(name)} stands twice` });
      seen.add(name);
    }
  }
  return found;
}

/** The package reads every number as a JavaScript number, which may change it. */
function keepNumbers(document: Document): void {
  for (const node of nodesOf(document))
    if (isScalar(node) && typeof node.value === "number") node.value = numberOf(node);
}

/** Its value as it is written, in one of the ways of YAML's core schema; NaN where that cannot be kept. */
function numberOf({ source = "", value }: Scalar): unknown {
  if (/^0[xo]/.test(source)) return source.length > MAX_BASED_LENGTH ? Number.NaN : readNumber(String(BigInt(source)));
  const [, sign = "", digits = "", rest = ""] = /^([-+]?)(\d*)(\.?\d*(?:[eE][-+]?\d+)?)$/.exec(source) ?? [];
  if (digits === "" && rest === "") return value;
  const fraction = rest.replace(/^\.(?!\d)/, "");
  return readNumber(`${sign === "-" ? "-" : ""}${digits.replace(/^0+(?=\d)/, "") || "0"}${fraction}`) ?? Number.NaN;
}

/** Each as it begins in the text. The package's own walk copies the whole way to each of them. */
function* nodesOf(document: Document): Generator<Node> {
  const open: unknown[] = [document.contents];
  while (open.length > 0) {
    const node = open.pop();
    if (!isNode(node)) continue;
    yield node;
    if (isMap(node)) for (const { key, value } of node.items.toReversed()) open.push(value, key);
    if (isSeq(node)) for (const item of node.items.toReversed()) open.push(item);
  }
}

/**
 * Whether the aliases make it too large, or endless: each may stand for text that has aliases itself. What is `left` is
 * shared by the documents of a file: many small ones would else grow to gigabytes.
 */
function findExpansionFault(document: Document, room: { left: number }): Found | undefined {
  const start = document.contents?.range?.[0] ?? 0;
  let aliases = 0;
  for (const node of nodesOf(document)) if (isAlias(node)) aliases++;
  if (aliases === 0) return undefined;
  if (aliases > MAX_ALIASES) return { offset: start, message: `has ${aliases} aliases, more than ${MAX_ALIASES}` };
  /** Anchors by name, as far as the document is read; undefined while their own node is. */
  const sizes = new Map<string, number | undefined>();
  let fault: Found | undefined;

  const sizeOf = (node: unknown): number => {
    if (isAlias(node)) {
      const offset = node.range?.[0] ?? start;
      if (!sizes.has(node.source)) fault ??= { offset, message: `the alias *${node.source} has no anchor before it` };
      else if (sizes.get(node.source) === undefined)
        fault ??= { offset, message: `the alias *${node.source} stands for something that contains it` };
      return sizes.get(node.source) ?? 0;
    }
    const { anchor } = node as { anchor?: string };
    if (anchor !== undefined) sizes.set(anchor, undefined);
    let size = 1;
    if (isScalar(node)) size += String(node.value).length;
    if (isMap(node))
      for (const { key, value } of node.items) size += sizeOf(key) + (value === null ? 0 : sizeOf(value));
    if (isSeq(node)) for (const item of node.items) size += sizeOf(item);
    if (anchor !== undefined) sizes.set(anchor, size);
    return size;
  };
  const size = sizeOf(document.contents);
  if (fault !== undefined) return fault;
  const before = room.left < MAX_FILE_BYTES ? " together with those before it" : "";
  if (size > room.left)
    return { offset: start, message: `its aliases expand to ${size} bytes, more than ${MAX_FILE_BYTES}${before}` };
  room.left -= size;
  return undefined;
}

/** Where the deepest key of `path` that is there stands. */
function offsetOf(root: Node, path: string): number {
  let offset = root.range?.[0] ?? 0;
  let node: unknown = root;
  for (const key of keysOf(path)) {
    const pair = isMap(node)
      ? node.items.find((each) => isScalar(each.key) && String(each.key.value) === key)
      : undefined;
    const item = isSeq(node) ? node.items[Number(key)] : undefined;
    const found = pair?.key ?? item;
    if (!isNode(found)) break;
    offset = found.range?.[0] ?? offset;
    node = pair === undefined ? item : pair.value;
  }
  return offset;
}
