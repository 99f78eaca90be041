/** Who has which name when a sync is through. Pure. */
import { placeOfDocument } from "../document/tree.ts";
import { type Match, placeOf, placeOfRow, type RowState, type StoredRow } from "./document-row.ts";
import type { SyncError } from "./sync-error.ts";

/** Who has a name, or is promised it. */
interface Owner extends Pick<RowState, "tree" | "source"> {
  /** In words. */
  place: string;
  /** How a retired owner gives the name up. */
  release?: string;
}

/**
 * The matches whose names are free, and an error for each other one. Whoever keeps a name has it before whoever wants a
 * new one; a definition keeps its name while it is retired, an event type and a hook do not.
 */
export function resolveNames(
  matches: readonly Match[],
  vanished: readonly StoredRow[],
  stored: readonly StoredRow[],
): { matches: Match[]; errors: SyncError[] } {
  const errors: SyncError[] = [];
  const leaving = new Set(vanished);
  const hasName = (row: StoredRow) => row.stage === "definitions" || !(row.retired || leaving.has(row));
  const keepsName = ({ row, document }: Match) =>
    row !== undefined && hasName(row) && row.body.name === document.body.name;
  let kept = [...matches];
  for (;;) {
    const owners = new Map<string, Owner>();
    const matchOf = new Map(kept.map((match) => [match.row, match]));
    for (const row of stored) {
      const match = matchOf.get(row);
      if (match === undefined ? hasName(row) : keepsName(match))
        owners.set(nameOf(row.stage, row.body.name), {
          ...row,
          place: placeOfRow(row),
          ...(row.retired && { release: `; DELETE /activity-definitions/${row.id} frees it` }),
        });
    }
    const refused = new Set<Match>();
    for (const match of kept.filter((wanting) => !keepsName(wanting))) {
      const { stage, tree, document } = match;
      const name = nameOf(stage, document.body.name);
      const owner = owners.get(name);
      if (owner === undefined) {
        owners.set(name, { tree, source: document.source, place: placeOfDocument(tree, document) });
        continue;
      }
      refused.add(match);
      const same = owner.tree !== tree && placeOf(owner) === placeOf({ tree, source: document.source });
      const trees = same ? `, as a file of the directory ${owner.tree}; here it is one of ${tree}` : "";
      const message = `the name ${JSON.stringify(document.body.name)} is taken: ${owner.place} has it${trees}${owner.release ?? ""}`;
      errors.push({ stage, subject: placeOfDocument(tree, document), message });
    }
    if (refused.size === 0) return { matches: kept, errors };
    // A row whose document is refused keeps its name, which another may have been promised: look again.
    kept = kept.filter((match) => !refused.has(match));
  }
}

function nameOf(stage: string, name: string): string {
  return `${stage} ${name}`;
}
