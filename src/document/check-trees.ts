/** What there is to say of trees of definition files before they are synced. */

import { checkRunAt, PAST_IN_FILE } from "../calendar/run-at.ts";
import type { TaskRules } from "../task/task-type.ts";
import {
  type DocumentKind,
  type FileFault,
  fileOf,
  placeOfDocument,
  readTreeOrFile,
  type TreeDocument,
  type TreeRead,
} from "./tree.ts";

export interface Finding {
  file: string;
  /** Null where the finding is about a whole file or directory. */
  line: number | null;
  /** The field of the document. */
  path?: string;
  message: string;
}

export interface Findings {
  activities: number;
  event_types: number;
  hooks: number;
  files: number;
  /** In the order of their places. */
  errors: Finding[];
  /** What a sync accepts, but is probably not meant so. */
  warnings: Finding[];
}

interface Placed {
  directory: string;
  document: TreeDocument;
}

/** Every fault of every tree or file, and of the trees together: a name is unique among all of them. Never rejects. */
export async function checkTrees(paths: readonly string[], now: Date, rules: TaskRules): Promise<Findings> {
  const trees = await Promise.all(paths.map((path) => readTreeOrFile(path, rules)));
  const placed = trees.flatMap(({ directory, documents }) => documents.map((document) => ({ directory, document })));
  const count = (kind: DocumentKind) => placed.filter(({ document }) => document.kind === kind).length;
  return {
    activities: count("activity"),
    event_types: count("event_type"),
    hooks: count("hook"),
    files: trees.reduce((sum, { files }) => sum + files, 0),
    errors: inOrder([
      ...trees.flatMap(({ faults }) => toFindings(faults)),
      ...trees.flatMap((tree, at) => findNothing(paths[at] as string, tree)),
      ...findTakenNames(placed),
    ]),
    warnings: inOrder(placed.flatMap((one) => findPastRun(one, now))),
  };
}

/** A sync may well have an empty directory; whoever asks for a check means that there is something. */
function findNothing(path: string, { documents, faults, files }: TreeRead): Finding[] {
  if (documents.length > 0 || faults.length > 0) return [];
  const read =
    files === 0 ? "it has no .yaml, .yml or .json file" : `none in its ${files === 1 ? "file" : `${files} files`}`;
  return [{ file: path, line: null, message: `has no documents: ${read}` }];
}

/** Names that stand in more than one tree; within a tree they are a fault already. */
function findTakenNames(placed: readonly Placed[]): Finding[] {
  const groups = Map.groupBy(placed, ({ document: { kind, body } }) => JSON.stringify([kind, body.name]));
  return [...groups.values()].flatMap(([first, ...others]) =>
    others.map((other) => ({
      ...whereIs(other),
      message: describeTaken(other, first as Placed),
    })),
  );
}

function describeTaken(other: Placed, first: Placed): string {
  const place = placeOfDocument(first.directory, first.document);
  if (placeOfDocument(other.directory, other.document) === place)
    return "is read twice: name each file once, or its directory";
  return `the name ${JSON.stringify(other.document.body.name)} is also that of ${place}`;
}

/** A one-shot whose time is past. Only the database knows whether it is new, or ran when it was due. */
function findPastRun({ directory, document }: Placed, now: Date): Finding[] {
  const fault = document.kind === "activity" ? checkRunAt(document.body.trigger_config, now, PAST_IN_FILE) : undefined;
  if (fault === undefined) return [];
  const { path, message } = fault;
  return [{ ...whereIs({ directory, document }), path, message: `${path} ${message}` }];
}

function whereIs({ directory, document }: Placed): { file: string; line: number } {
  const { line } = document;
  return { file: fileOf({ subject: placeOfDocument(directory, document), line }), line };
}

/** In the order of their places. */
export function toFindings(faults: readonly FileFault[]): Finding[] {
  return inOrder(
    faults.map((fault) => {
      const { line = null, path, message } = fault;
      return { file: fileOf(fault), line, ...(path !== undefined && { path }), message };
    }),
  );
}

function inOrder(findings: Finding[]): Finding[] {
  return findings.sort((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1));
}
