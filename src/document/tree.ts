/** A tree of definition files: read whole, within bounds, whatever lies in it. */

import { isUtf8 } from "node:buffer";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { preview } from "../json/faults.ts";
import { createPause } from "../kernel/wait.ts";
import type { TaskRules } from "../task/task-type.ts";
import { type DocumentKey, type FileFault, isFault, keysOf, readDocuments, type TreeDocument } from "./document.ts";
import { type Content, findMoving, isUnended, readBytes, readRegularFile } from "./file-content.ts";
import { describeFileError, listTree } from "./tree-paths.ts";

export type { DocumentKey, FileFault, TreeDocument } from "./document.ts";
export type { DocumentKind } from "./document-schema.ts";

/** Bytes of all files of a tree. */
const MAX_TREE_BYTES = 33_554_432;
const CONCURRENT_READS = 32;
/** Milliseconds. A file that changed so recently may still be being written: it is looked at once more, so much later. */
const QUIET_MS = 500;

export interface TreeRead {
  /** In the order of their places; no key and no name of a kind stands twice. */
  documents: TreeDocument[];
  faults: FileFault[];
  /** How many files were looked at. */
  files: number;
  /** The sources of the YAML files that end in the middle of a line, or with `---`: more may follow. */
  unended: string[];
}

/**
 * The documents of every .yaml, .yml and .json file below `directory`. Never rejects: what cannot be read is a fault, and
 * the rest stands. Of documents that share a key or a name none is taken: which one is meant is not known. A file that
 * changes within `quietMs` after it was read is a fault: it is still being written.
 */
export async function readTree(directory: string, rules: TaskRules, quietMs = QUIET_MS): Promise<TreeRead> {
  const { root, paths, faults } = await listTree(directory);
  const documents: TreeDocument[] = [];
  const pause = createPause();
  const unended: string[] = [];
  const recent = new Map<string, Content>();
  let size = 0;
  for (let at = 0; at < paths.length; at += CONCURRENT_READS) {
    const group = paths.slice(at, at + CONCURRENT_READS);
    const contents = await Promise.all(group.map((path) => readBytes(root, path)));
    for (const [index, content] of contents.entries()) {
      const path = group[index] as string;
      if (typeof content !== "string") {
        size += content.bytes.byteLength;
        if (content.changedMs > Date.now() - quietMs) recent.set(path, content);
        if (isUnended(content.bytes, path)) unended.push(`file:${path}`);
      }
      for (const read of parseContent(content, path, rules)) {
        if (isFault(read)) faults.push({ ...read, subject: join(directory, read.subject) });
        else documents.push(read);
        await pause();
      }
    }
    const next = paths[at + CONCURRENT_READS];
    if (size <= MAX_TREE_BYTES || next === undefined) continue;
    const message = `has more than ${MAX_TREE_BYTES} bytes: the files from ${next} on are not read`;
    faults.push({ source: "file:", subject: directory, message });
    break;
  }
  const moving = await findMoving(root, recent, quietMs);
  for (const path of moving) {
    const message = "is still being written: it changed after it was read";
    faults.push({ source: `file:${path}`, subject: join(directory, path), message });
  }
  const quiet = documents.filter(({ source }) => !moving.has(source.slice("file:".length)));
  return { ...withoutDuplicates(directory, quiet, faults), files: paths.length, unended };
}

/** A tree, or one file, whatever its name, as if it were all that its directory has. Never rejects. */
export async function readTreeOrFile(path: string, rules: TaskRules): Promise<TreeRead & { directory: string }> {
  const isFile = await stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
  if (!isFile) return { directory: path, ...(await readTree(path, rules)) };
  const [directory, name] = [dirname(path), basename(path)];
  const content = await realpath(path)
    .then(readRegularFile)
    .catch((error) => `cannot be read: ${describeFileError(error)}`);
  const documents: TreeDocument[] = [];
  const faults: FileFault[] = [];
  for (const read of parseContent(content, name, rules)) {
    if (isFault(read)) faults.push({ ...read, subject: join(directory, read.subject) });
    else documents.push(read);
  }
  const unended = typeof content !== "string" && isUnended(content.bytes, name) ? [`file:${name}`] : [];
  return { directory, ...withoutDuplicates(directory, documents, faults), files: 1, unended };
}

/**
 * Whether a document that is not among those read may still be there, behind a fault: of its file, of a directory above
 * it, or of the document itself wherever it stands now. `source` is where it stood.
 */
export function isInDoubt(
  { faults }: Pick<TreeRead, "faults">,
  { kind, key, source }: DocumentKey & { source: string },
) {
  return faults.some(
    (fault) =>
      fault.source === source ||
      // One that ends with a slash is of a directory: all that is below it, and the file whose name it has.
      (/[:/]$/.test(fault.source) && `${source}/`.startsWith(fault.source)) ||
      fault.hides?.some((hidden) => hidden.kind === kind && hidden.key === key),
  );
}

/** The documents and faults of a file's bytes, or why there are none. */
function* parseContent(content: Content | string, path: string, rules: TaskRules): Generator<TreeDocument | FileFault> {
  const source = `file:${path}`;
  if (typeof content === "string") return yield { source, subject: path, message: content };
  if (isUtf8(content.bytes)) return yield* readDocuments(new TextDecoder().decode(content.bytes), path, rules);
  const line = findLineThatIsNoUtf8(content.bytes);
  yield { source, subject: `${path}:${line}`, line, message: "is no UTF-8" };
}

/** The first line, counted from 1, that is no UTF-8. In UTF-8 the byte of a line's end is no part of another character. */
function findLineThatIsNoUtf8(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(10, start);
    if (!isUtf8(bytes.subarray(start, end === -1 ? undefined : end))) break;
    start = end === -1 ? bytes.length : end + 1;
  }
  return line;
}

function withoutDuplicates(directory: string, documents: TreeDocument[], faults: FileFault[]) {
  const refused = new Set<TreeDocument>();
  const found: FileFault[] = [];
  const identities = {
    id: (document: TreeDocument) => document.key,
    name: (document: TreeDocument) => document.body.name,
  };
  for (const [what, identify] of Object.entries(identities)) {
    const groups = Map.groupBy(documents, (document) => JSON.stringify([document.kind, identify(document)]));
    for (const group of groups.values()) {
      const last = group.at(-1) as TreeDocument;
      // A name that is the key too is one fault.
      if (group.length === 1 || group.every((document) => refused.has(document))) continue;
      for (const document of group) refused.add(document);
      const others = group.slice(0, -1).map((document) => placeOfDocument(directory, document));
      const identity = last.key === last.body.name ? "name" : what;
      found.push({
        source: last.source,
        subject: placeOfDocument(directory, last),
        line: last.line,
        message: `the ${identity} ${preview(identify(last))} is also that of ${others.join(", ")}: none of them is taken`,
        hides: group.flatMap(keysOf),
      });
    }
  }
  return { documents: documents.filter((document) => !refused.has(document)), faults: [...faults, ...found] };
}

/** The path in a fault's subject, without its line. */
export function fileOf({ subject, line }: Pick<FileFault, "subject" | "line">): string {
  return line === undefined ? subject : subject.slice(0, -`:${line}`.length);
}

/** Where a document stands, as an editor opens it: `{path}:{line}`. */
export function placeOfDocument(directory: string, { source, line }: Pick<TreeDocument, "source" | "line">): string {
  return `${join(directory, source.slice("file:".length))}:${line}`;
}
