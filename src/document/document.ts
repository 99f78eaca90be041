/** The documents of a definition file: activities, event types and hooks, each with its identity and its place. */

import type { DefinitionBody } from "../definition/schema.ts";
import { parseDefinition } from "../definition/validate.ts";
import { type EventTypeBody, parseEventType } from "../event/event-type.ts";
import { type HookBody, parseHook } from "../hook/schema.ts";
import { preview } from "../json/faults.ts";
import { isFields } from "../json/fields.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import type { TaskRules } from "../task/task-type.ts";
import { DOCUMENT_KINDS, type DocumentKind, ID_PATTERN } from "./document-schema.ts";
import { readDocumentText, type TextDocument } from "./document-text.ts";

const ID = new RegExp(ID_PATTERN);
/** Of one file. */
const MAX_FAULTS = 1_000;

/** Which document of its tree it is, whatever file it stands in. */
export interface DocumentKey {
  kind: DocumentKind;
  /** The document's `id` if it has one, else its name. */
  key: string;
}

interface Place {
  key: string;
  /** `file:{path below the tree's directory}`. */
  source: string;
  /** Where the document begins; the first line is 1. */
  line: number;
}

/** A document that is valid by itself. */
export type TreeDocument = Place &
  (
    | { kind: "activity"; body: DefinitionBody }
    | { kind: "event_type"; body: EventTypeBody }
    | { kind: "hook"; body: HookBody }
  );

/** What could not be read: a directory, a file, a document or a field of one. The others stand. */
export interface FileFault {
  /** As of a document. Of a directory it ends with `/`; of the tree's own it is `file:`. */
  source: string;
  /** The path as the tree was named, with `:line` where that is known. */
  subject: string;
  line?: number;
  /** The field of the document, such as `/trigger_config/timezone`. The message begins with it. */
  path?: string;
  message: string;
  /** The documents that it keeps from being read, as far as they can be told: by their ids, and by their names. */
  hides?: readonly DocumentKey[];
}

/**
 * The documents and faults of one file's text; `path` is below the tree's directory. One after the other, as they are
 * asked for: a large text need not be read in one go. Never throws.
 */
export function* readDocuments(text: string, path: string, rules: TaskRules): Generator<TreeDocument | FileFault> {
  const source = `file:${path}`;
  const faultAt = (line: number, rest: Pick<FileFault, "path" | "message" | "hides">): FileFault => ({
    source,
    subject: `${path}:${line}`,
    line,
    ...rest,
  });
  const format = /\.json$/i.test(path) ? "json" : "yaml";
  if (format === "yaml" && text.trim() === "") {
    const message = "is empty, and may still be being written: to retire what it held, remove it";
    return yield { source, subject: path, message };
  }
  let faults = 0;
  for (const part of readDocumentText(text, format)) {
    if (faults >= MAX_FAULTS) {
      yield faultAt(part.line, { message: `has ${faults} faults before this line: the rest is not read` });
      return;
    }
    if ("message" in part) {
      faults++;
      yield faultAt(part.line, { message: part.message });
      continue;
    }
    const { kind, key, body, faults: found } = readDocument(part, rules);
    const hides = found.length === 0 ? {} : hiding(kind, part.value);
    faults += found.length;
    for (const { path, message } of found)
      yield faultAt(part.lineOf(path), { path, message: `${path} ${message}`, ...hides });
    if (body !== undefined && key !== undefined) yield { kind, key, source, line: part.line, body } as TreeDocument;
  }
}

/** By its id and its name: what is stored may know it by the other one. */
function hiding(kind: DocumentKind, value: unknown): Pick<FileFault, "hides"> {
  const { id, name } = isFields(value) ? value : {};
  const keys = [id, name].filter((key) => typeof key === "string" && key !== "") as string[];
  return keys.length === 0 ? {} : { hides: [...new Set(keys)].map((key) => ({ kind, key })) };
}

/** What a document may be known by: its key and its name. */
export function keysOf({ kind, key, body }: TreeDocument): DocumentKey[] {
  return [...new Set([key, body.name])].map((each) => ({ kind, key: each }));
}

export function isFault(read: TreeDocument | FileFault): read is FileFault {
  return "message" in read;
}

/** Each throws InvalidInputError with every fault. */
const PARSERS: Readonly<Record<DocumentKind, (input: unknown, rules: TaskRules) => TreeDocument["body"]>> = {
  activity: parseDefinition,
  event_type: parseEventType,
  hook: parseHook,
};

interface ReadDocument {
  kind: DocumentKind;
  /** Undefined when it has none that could be read. */
  key: string | undefined;
  /** Undefined when there are faults. */
  body?: TreeDocument["body"];
  faults: readonly Fault[];
}

function readDocument({ value }: TextDocument, rules: TaskRules): ReadDocument {
  if (!isFields(value))
    return {
      kind: "activity",
      key: undefined,
      faults: [{ path: "/", message: `expected an object, received ${preview(value)}` }],
    };
  const { kind: kindInput = "activity", id, ...input } = value;
  const faults: Fault[] = [];
  const kind = DOCUMENT_KINDS.find((each) => each === kindInput);
  if (kind === undefined)
    faults.push({
      path: "/kind",
      message: `expected one of ${DOCUMENT_KINDS.join(", ")}, received ${preview(kindInput)}`,
    });
  if (id !== undefined && !(typeof id === "string" && ID.test(id)))
    faults.push({
      path: "/id",
      message: `expected 1 to 100 letters, digits, '.', '_' or '-', received ${preview(id)}`,
    });
  const name = id ?? input.name;
  const key = typeof name === "string" && name !== "" ? name : undefined;
  if (kind === undefined) return { kind: "activity", key, faults };
  try {
    const body = PARSERS[kind](input, rules);
    return faults.length > 0 ? { kind, key, faults } : { kind, key, body, faults };
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return { kind, key, faults: [...faults, ...error.faults] };
  }
}
