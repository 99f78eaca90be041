/**
 * From a file's text to plain values, each with its lines. YAML 1.2, or JSON where the file's name ends so.
 *
 * What a reader would misunderstand is a fault and not passed on in silence: a key that stands twice, an unknown tag, a
 * number that JSON cannot write, a trailing comma in JSON. Aliases and merge keys are expanded, but to no more than a
 * file may have.
 */
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  visit,
} from "yaml";
import { describeError } from "../errors.ts";
import { preview } from "./faults.ts";
import { findJsonFault } from "./json-text.ts";

/** Bytes of one file, and roughly of one document when its aliases are expanded. */
export const MAX_FILE_BYTES = 1_048_576;
const MAX_ALIASES = 100;

/** One document of a text. */
export interface TextDocument {
  /** Where it begins; the first line is 1. */
  line: number;
  value: unknown;
  /** The line of the deepest part of `path` (such as `/task_templates/0/key`) that stands in the text. */
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

/** One after the other, as they are asked for. Never throws. Documents without content are none. */
export function* readDocumentText(input: string, format: "yaml" | "json"): Generator<TextDocument | TextFault> {
  const text = input.replace(/^\ufeff/, "");
  const lines = new LineCounter();
  const lineAt = (offset: number) => lines.linePos(offset).line || 1;
  const toFault = ({ offset, message }: Found): TextFault => ({ line: lineAt(offset), message });
  try {
    for (const document of parse(text, lines)) {
      const broken = format === "json" ? findJsonFault(text) : undefined;
      const found = broken === undefined ? findFaults(document) : [broken];
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
    yield { line: 1, message: error instanceof RangeError ? "is nested too deeply" : describeError(error) };
  }
}

function parse(text: string, lines: LineCounter): Generator<Document> {
  const composer = new Composer({
    schema: "core",
    merge: true,
    stringKeys: true,
    resolveKnownTags: false,
    // Its own check compares every key with every other.
    uniqueKeys: false,
  });
  return composer.compose(new Parser(lines.addNewLine).parse(text), true, text.length);
}

/** The first error of the syntax, or else everything that would be read in another way than it looks. */
function findFaults(document: Document): Found[] {
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined) return [{ offset: broken.pos[0], message: broken.message }];
  const excess = findExpansionFault(document);
  if (excess !== undefined) return [excess];
  const found: Found[] = [];
  visit(document, {
    Scalar(_, { value, range }) {
      if (typeof value === "number" && !Number.isFinite(value))
        found.push({ offset: range?.[0] ?? 0, message: `${value} is no number that JSON has` });
    },
    Map(_, { items }) {
      const seen = new Set<string>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name))
          found.push({ offset: key.range?.[0] ?? 0, message: `the key ${preview(name)} stands twice` });
        seen.add(name);
      }
    },
  });
  return found;
}

/** Whether the aliases make it too large, or endless: each may stand for text that has aliases itself. */
function findExpansionFault(document: Document): Found | undefined {
  const start = document.contents?.range?.[0] ?? 0;
  let aliases = 0;
  visit(document, { Alias: () => void aliases++ });
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
  if (fault === undefined && size > MAX_FILE_BYTES)
    return { offset: start, message: `its aliases expand to ${size} bytes, more than ${MAX_FILE_BYTES}` };
  return fault;
}

/** Where the deepest key of `path` that is there stands. */
function offsetOf(root: Node, path: string): number {
  let offset = root.range?.[0] ?? 0;
  let node: unknown = root;
  for (const key of path.split("/").slice(1)) {
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
