/** What takes a sync back. Pure. */
import type { RowState, StoredRow, Write } from "./document-row.ts";
import { placeOfWrite } from "./names.ts";
import { stateOf } from "./plan.ts";
import type { SyncError } from "./report.ts";

/** The trees that these writes touched. */
export function treesOf(writes: readonly Write[]): string[] {
  const trees = writes.flatMap(({ before, after }) => [before?.tree, after.tree]);
  return [...new Set(trees.filter((tree) => typeof tree === "string"))].sort();
}

/** Each row as it was before: what was created is retired, since its runs stay. */
export function planRollback(
  done: readonly Write[],
  current: readonly StoredRow[],
): { writes: Write[]; errors: SyncError[] } {
  const rows = new Map(current.map((row) => [row.id, row]));
  const writes: Write[] = [];
  const errors: SyncError[] = [];
  for (const write of done) {
    const row = rows.get(write.id);
    if (row === undefined) {
      errors.push({ stage: write.stage, subject: placeOfWrite(write), message: "was deleted since: it stays so" });
      continue;
    }
    const { id, stage, version } = row;
    const before = stateOf(row);
    const after: RowState = write.before ?? { ...write.after, retired: true };
    if (Bun.deepEquals(before, after, true)) continue;
    const action = after.retired && !before.retired ? "retire" : before.retired && !after.retired ? "revive" : "update";
    writes.push({ stage, action, id, version, before, after });
  }
  return { writes, errors };
}
