/** What the documents of trees become: rows of definitions, event types and hooks, and the changes between them. */
import { join } from "node:path";
import type { DefinitionBody } from "../definition/schema.ts";
import type { TreeDocument } from "../document/tree.ts";
import type { EventTypeBody } from "../event/event-type.ts";
import type { HookBody } from "../hook/schema.ts";
import { isFields } from "../json/fields.ts";
import { pointTo } from "../json/pointer.ts";

/** A stage that stores documents, named for its rows. */
export const DOCUMENT_STAGES = ["definitions", "event_types", "hooks"] as const;
export type DocumentStage = (typeof DOCUMENT_STAGES)[number];

export const STAGE_OF: Readonly<Record<TreeDocument["kind"], DocumentStage>> = {
  activity: "definitions",
  event_type: "event_types",
  hook: "hooks",
};

export const KIND_OF: Readonly<Record<DocumentStage, TreeDocument["kind"]>> = {
  definitions: "activity",
  event_types: "event_type",
  hooks: "hook",
};

/** What a row is called in what people read. */
export const NOUN_OF: Readonly<Record<DocumentStage, string>> = {
  definitions: "definition",
  event_types: "event type",
  hooks: "hook",
};

/** What a document decides of its row. */
export interface RowState {
  body: DefinitionBody | EventTypeBody | HookBody;
  /** `file:{path below the tree}`. */
  source: string;
  /** Null: made over REST, or by a release that knew no trees. */
  tree: string | null;
  tree_key: string | null;
  retired: boolean;
  /** Softly, by a rollback only. */
  deleted?: true;
}

export interface StoredRow extends RowState {
  stage: DocumentStage;
  id: string;
  version: number;
}

/** A document and its row; without a row it makes one. */
export interface Match {
  stage: DocumentStage;
  tree: string;
  document: TreeDocument;
  row: StoredRow | undefined;
}

/**
 * `adopt`: a document takes over a row whose own document is gone, by its name: a moved tree, an `id` that was added.
 * `delete`: a rollback gives a name back to the row that had it.
 */
export const WRITE_ACTIONS = ["create", "update", "retire", "revive", "adopt", "delete"] as const;
export type WriteAction = (typeof WRITE_ACTIONS)[number];

/** One row's change. Kept in the history of syncs: a rollback puts `before` back. */
export interface Write {
  stage: DocumentStage;
  action: WriteAction;
  id: string;
  /** Of the row that the change was planned on; null: there is none yet. */
  version: number | null;
  before: RowState | null;
  after: RowState;
}

interface FieldChange {
  /** A JSON pointer into the body, or `/source`, `/tree`, `/retired`. */
  path: string;
  /** Null where there was nothing. */
  before: unknown;
  after: unknown;
}

/** What a write can change of a row. */
export function stateOf({ body, source, tree, tree_key, retired }: RowState): RowState {
  return { body, source, tree, tree_key, retired };
}

/** What a write does to the row, field by field, and to what is around the body. */
export function fieldChanges({ before, after }: Pick<Write, "before" | "after">): FieldChange[] {
  if (before === null) return [{ path: "/", before: null, after: after.body }];
  const around = (["source", "tree", "retired"] as const)
    .filter((field) => before[field] !== after[field])
    .map((field) => ({ path: `/${field}`, before: before[field], after: after[field] }));
  return [...diff(before.body, after.body, ""), ...around];
}

function diff(before: unknown, after: unknown, path: string): FieldChange[] {
  if (Bun.deepEquals(before, after, true)) return [];
  const isList = Array.isArray(before) && Array.isArray(after) && before.length === after.length;
  if (!isList && !(isFields(before) && isFields(after)))
    return [{ path: path || "/", before: before ?? null, after: after ?? null }];
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
  // What every object inherits, such as `constructor`, is no part of either.
  const own = (fields: Record<string, unknown>, key: string) => (Object.hasOwn(fields, key) ? fields[key] : undefined);
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap((key) =>
    diff(own(old, key), own(now, key), pointTo(path, key)),
  );
}

export function placeOfRow(row: StoredRow): string {
  return `${row.retired ? "retired " : ""}${NOUN_OF[row.stage]} ${row.id} from ${placeOf(row)}`;
}

export function placeOf({ source, tree }: Pick<RowState, "tree" | "source">): string {
  return tree === null ? source : join(tree, source.replace(/^file:/, ""));
}
