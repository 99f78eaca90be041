/**
 * What another scheduler's file becomes: activities as definition files have them, and what could not be carried over.
 *
 * Each activity is read again as a sync reads it, so that what an import writes is taken by the next sync, or is refused here.
 */
import { Document, isCollection, isMap, isScalar } from "yaml";
import { isFault, readDocuments } from "../document/document.ts";
import { stableHex } from "../kernel/stable-id.ts";
import type { TaskRules } from "../task/task-type.ts";

/** What stands in one line, as in the documentation, where it is no longer than that. */
const SHORT = [
  ["trigger_config"],
  ...["argv", "env"].map((name) => ["task_templates", 0, "params", name]),
  ["task_templates", 1, "depends_on"],
  ["task_templates", 1, "params", "to"],
];
const STDIN = ["task_templates", 0, "params", "stdin"];
const MAX_FLOW = 100;
/** Hexadecimal, of an identity. */
const DIGITS = 4;

/** An activity before it is checked; its name may be that of another one. */
export interface Draft {
  /** The line, or the name, of what it was made of. */
  place: number | string;
  /** How a message shows what it was made of. */
  what: string;
  name: string;
  /** What tells it from others of its name, wherever in the file it stands. */
  identity: string;
  /** What stands above the document, line by line. */
  comment: readonly string[];
  /** Without its name. */
  definition: Readonly<Record<string, unknown>>;
}

/** Of something that became no activity, or that an activity does not have. */
export interface Remark {
  place: number | string;
  /** What it is about, in one line. */
  what: string;
  message: string;
  comment: readonly string[];
}

/** What each activity of an import has, whatever its file says. */
export interface ImportOptions {
  /** An IANA name. */
  timezone: string;
  shadow: boolean;
  /** The label of the workers that have the scripts. */
  runOn?: string;
  /** The user that runs the commands, where that is not said by their file. */
  user?: string;
}

export interface Imported {
  activities: { place: number | string; name: string; text: string }[];
  /** In the order of their lines. */
  refused: Remark[];
  notes: Remark[];
  /** What holds for all activities, a sentence each; none where there is no activity. */
  general: string[];
}

/** What of a file is told beside its activities. */
export type Remarks = Pick<Imported, "refused" | "notes" | "general">;

/**
 * Tells apart what has the same name, and checks each as one of a definition file. Where several have a name, each gets some
 * digits of its identity behind it, so that no name depends on where in its file an entry stands.
 */
export function finishImport(
  drafts: readonly Draft[],
  { refused, notes, general }: Remarks,
  rules: TaskRules,
): Imported {
  const imported: Imported = { activities: [], refused: [...refused], notes: [...notes], general: [] };
  const shared = Map.groupBy(drafts, ({ name }) => name);
  const isShared = (name: string) => (shared.get(name)?.length ?? 0) > 1;
  const taken = new Set([...shared.keys()].filter((name) => !isShared(name)));
  for (const draft of drafts) {
    const text = writeDocument(draft);
    const [fault] = [...readDocuments(text, "import.yaml", rules)].filter(isFault);
    if (fault !== undefined) {
      const { place, what, comment } = draft;
      imported.refused.push({ place, what, message: fault.message, comment });
      continue;
    }
    const name = isShared(draft.name)
      ? findFree(`${draft.name}-${stableHex(draft.identity, DIGITS)}`, taken)
      : draft.name;
    taken.add(name);
    imported.activities.push({
      place: draft.place,
      name,
      text: name === draft.name ? text : writeDocument({ ...draft, name }),
    });
  }
  if (imported.activities.length > 0) imported.general.push(...general);
  imported.refused.sort((a, b) => Number(a.place) - Number(b.place) || 0);
  return imported;
}

/** Of lines that are the same, it does not matter which is which. */
function findFree(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  for (let number = 2; ; number++) if (!taken.has(`${name}-${number}`)) return `${name}-${number}`;
}

function writeDocument({ name, comment, definition }: Draft): string {
  const document = new Document({ name, ...definition });
  for (const path of SHORT) {
    const node = document.getIn(path, true);
    if (isCollection(node)) node.flow = JSON.stringify(node).length < MAX_FLOW;
  }
  const stdin = document.getIn(STDIN, true);
  // As a block, it would be read without its blanks.
  if (isScalar<unknown>(stdin) && typeof stdin.value === "string" && stdin.value.trim() === "")
    stdin.type = "QUOTE_DOUBLE";
  if (comment.length > 0 && isMap(document.contents))
    document.contents.commentBefore = comment.map((line) => ` ${line}`).join("\n");
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** A text as a param has it that may have expressions: braces in it stay braces. */
export function asWritten(text: string): string {
  return text.replace(/\{\{|\$\{/g, (braces) => `{{ "${braces}" }}`);
}
