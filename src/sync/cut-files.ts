/**
 * Files that may have been read before they were written whole. Pure.
 *
 * A YAML file that ends in the middle of a line, or with `---`, is valid, and many a file ends so. Where a document is
 * gone that it had, it is taken as cut: nothing of it is synced until its last line is ended.
 */
import { join } from "node:path";
import { keysOf } from "../document/document.ts";
import type { FileFault, TreeRead } from "../document/tree.ts";
import { KIND_OF, type StoredRow } from "./document-row.ts";

export interface ConfiguredTree extends Pick<TreeRead, "documents" | "faults">, Partial<Pick<TreeRead, "unended">> {
  /** The absolute path of its directory. */
  tree: string;
}

/** The tree with a fault in place of the documents of each file that seems to be cut. */
export function withoutCutFiles(tree: ConfiguredTree, stored: readonly StoredRow[]): ConfiguredTree {
  const cut = (tree.unended ?? []).flatMap((source) => {
    const gone = stored.find((row) => isOf(row, tree, source) && !isRead(row, tree));
    return gone === undefined ? [] : [{ source, gone }];
  });
  if (cut.length === 0) return tree;
  const faults = cut.map(({ source, gone }): FileFault => {
    const own = tree.documents.filter((document) => document.source === source);
    return {
      source,
      subject: join(tree.tree, source.slice("file:".length)),
      message:
        `${JSON.stringify(gone.body.name)} is not in it any more, and its last line is not ended: it may still be being ` +
        "written, and nothing of it is synced. If it is meant so, end the last line",
      hides: own.flatMap(keysOf),
    };
  });
  const sources = new Set(cut.map(({ source }) => source));
  return {
    ...tree,
    documents: tree.documents.filter(({ source }) => !sources.has(source)),
    faults: [...tree.faults, ...faults],
  };
}

function isOf(row: StoredRow, { tree }: ConfiguredTree, source: string): boolean {
  return !row.retired && row.tree === tree && row.source === source;
}

/** Under its key, in whatever file of the tree. */
function isRead({ stage, tree_key, body }: StoredRow, { documents }: ConfiguredTree): boolean {
  return documents.some(({ kind, key }) => kind === KIND_OF[stage] && key === (tree_key ?? body.name));
}
