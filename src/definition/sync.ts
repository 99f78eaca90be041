/** Brings the stored definitions up to their files. Files never touch what REST or another file made. */
import { describeError } from "../errors.ts";
import { readTree, type TreeDocument } from "./files.ts";
import type { DefinitionStore } from "./store.ts";

export interface SyncReport {
  definitions: { created: number; updated: number; unchanged: number };
  errors: { stage: "definitions"; subject: string; message: string }[];
}

export async function syncDefinitions(store: DefinitionStore, directories: readonly string[]): Promise<SyncReport> {
  const report: SyncReport = { definitions: { created: 0, updated: 0, unchanged: 0 }, errors: [] };
  const note = (subject: string, message: string) =>
    void report.errors.push({ stage: "definitions", subject, message });
  const seen = new Map<string, string>();
  for (const directory of directories) {
    const { documents, faults } = await readTree(directory);
    for (const { subject, message } of faults) note(subject, message);
    for (const file of documents) {
      if (file.kind !== "activity") continue;
      const { source, body } = file;
      const first = seen.get(body.name);
      if (first !== undefined) {
        note(`${source} (${body.name})`, `the name is used twice: it is also in ${first}`);
        continue;
      }
      seen.set(body.name, `${directory}/${source.replace(/^file:/, "")}`);
      try {
        report.definitions[await apply(store, file)]++;
      } catch (error) {
        note(`${source} (${body.name})`, describeError(error));
      }
    }
  }
  return report;
}

async function apply(
  store: DefinitionStore,
  { source, body }: Extract<TreeDocument, { kind: "activity" }>,
): Promise<keyof SyncReport["definitions"]> {
  const stored = await store.findByName(body.name);
  const context = { actor: source };
  if (stored === undefined) {
    await store.create(body, source, context);
    return "created";
  }
  const { id, source: owner, enabled_override } = stored.definition;
  if (owner !== source) throw new Error(`the name is taken by a definition from ${owner}`);
  if (Bun.deepEquals(stored.body, body, true)) return "unchanged";
  await store.change(id, () => ({ body, enabled_override }), context);
  return "updated";
}
