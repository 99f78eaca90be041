/** What takes a sync back. Pure. */
import { placeOf, type RowState, type StoredRow, stateOf, type Write, type WriteAction } from "./document-row.ts";
import type { SyncError } from "./sync-error.ts";

/** The trees that these writes touched. */
export function treesOf(writes: readonly Write[]): string[] {
  const trees = writes.flatMap(({ before, after }) => [before?.tree, after.tree]);
  return [...new Set(trees.filter((tree) => typeof tree === "string"))].sort();
}

/**
 * Each row as it was before. What was created is retired, since its runs stay; or deleted, where its name was another
 * definition's before, which gets it back.
 */
export function planRollback(
  done: readonly Write[],
  current: readonly StoredRow[],
): { writes: Write[]; errors: SyncError[] } {
  const rows = new Map(current.map((row) => [row.id, row]));
  const writes: Write[] = [];
  const errors: SyncError[] = [];
  const givenBack = new Set(
    done.flatMap(({ stage, before }) => (stage === "definitions" && before ? [before.body.name] : [])),
  );
  for (const write of done) {
    const row = rows.get(write.id);
    if (row === undefined) {
      errors.push({ stage: write.stage, subject: placeOf(write.after), message: "was deleted since: it stays so" });
      continue;
    }
    const { id, stage, version } = row;
    const before = stateOf(row);
    const isDeleted = stage === "definitions" && givenBack.has(row.body.name);
    const after = write.before ?? { ...before, retired: true, ...(isDeleted && { deleted: true }) };
    if (!Bun.deepEquals(before, after, true))
      writes.push({ stage, action: actionOf(before, after), id, version, before, after });
  }
  return { writes, errors };
}

function actionOf(before: RowState, after: RowState): WriteAction {
  if (after.deleted) return "delete";
  if (before.retired === after.retired) return "update";
  return after.retired ? "retire" : "revive";
}
