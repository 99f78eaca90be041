/**
 * The documents of the configured trees, and what is stored → what to write. Pure.
 *
 *   match    each document finds its row: by its identity in its tree, or else by the name of a row whose own is gone
 *   guard    a tree that would lose too much is closed, and all is matched again without it
 *   name     who has a name keeps it: a document that wants a taken one is refused, its row stays as it is
 *
 * A tree is closed when it is held or refused: its documents are not looked at, its rows not touched.
 */

import { checkRunAt } from "../calendar/run-at.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import { type FileFault, isInDoubt, placeOfDocument } from "../document/tree.ts";
import { parseJson } from "../json/parse.ts";
import { type ConfiguredTree, withoutCutFiles } from "./cut-files.ts";
import {
  type DocumentStage,
  KIND_OF,
  type Match,
  placeOfRow,
  type RowState,
  STAGE_OF,
  type StoredRow,
  stateOf,
  type Write,
} from "./document-row.ts";
import { resolveNames } from "./names.ts";
import type { SyncError } from "./sync-error.ts";

/** A tree whose documents vanish is more often a mistake than a wish: beyond both of these it takes `force`. */
const RETIRED_SHARE = 0.2;
const RETIRED_COUNT = 3;
/** Stands for the tree of rows that a release without trees made. */
const NO_TREE = "";

export interface PlanInput {
  trees: readonly ConfiguredTree[];
  stored: readonly StoredRow[];
  stages: readonly DocumentStage[];
  /** Trees that a rollback holds. */
  held: readonly string[];
  force: boolean;
  now: Date;
}

export interface Plan {
  writes: Write[];
  unchanged: Record<DocumentStage, number>;
  errors: SyncError[];
  /** Trees that would lose too much. */
  refused: string[];
  /** Held trees whose files say otherwise than what is stored. */
  withheld: string[];
  /** Trees with rows that count, but whose directory is not configured. */
  unconfigured: string[];
}

interface Matched {
  matches: Match[];
  /** Rows that count and whose documents are gone. */
  vanished: StoredRow[];
}

export function planSync(given: PlanInput): Plan {
  const { stored, stages, force } = given;
  const trees = given.trees.map((tree) => withoutCutFiles(tree, stored));
  const input = { ...given, trees };
  const live = stored.filter((row) => isOfFile(row) && !row.retired && stages.includes(row.stage));
  const configured = new Set(trees.map(({ tree }) => tree));
  const plan: Plan = {
    writes: [],
    unchanged: { definitions: 0, event_types: 0, hooks: 0 },
    errors: trees.flatMap(({ faults }) => faults.flatMap((fault) => faultError(fault, stages))),
    refused: [],
    withheld: findWithheld(input),
    unconfigured: [...new Set(live.flatMap(({ tree }) => (tree === null || configured.has(tree) ? [] : [tree])))],
  };
  // Not even with force: in a shell or a unit the variable is soon forgotten, and all would be gone.
  if (trees.length === 0) {
    if (live.length > 0) plan.errors.push(noDirectory(live, stages));
    return plan;
  }

  const closed = new Set(input.held);
  let matched = match(input, closed);
  for (;;) {
    const refused = force ? [] : overGuard(live, matched.vanished).filter(({ tree }) => !closed.has(tree));
    if (refused.length === 0) break;
    for (const { tree, error } of refused) {
      closed.add(tree);
      plan.refused.push(tree || "(no tree)");
      plan.errors.push({ stage: stages[0] ?? "definitions", ...error });
    }
    matched = match(input, closed);
  }

  // Before the names: a row whose document is refused keeps its name.
  const matches = matched.matches.filter((match) => {
    const past = pastOneShot(match, input.now);
    const { stage, tree, document } = match;
    if (past !== undefined) plan.errors.push({ stage, subject: placeOfDocument(tree, document), message: past });
    return past === undefined;
  });
  const named = resolveNames(matches, matched.vanished, stored);
  plan.errors.push(...named.errors);
  for (const row of matched.vanished) plan.writes.push(writeOf(row.stage, row, { ...stateOf(row), retired: true }));
  for (const { stage, tree, document, row } of named.matches) {
    const { key: tree_key, source } = document;
    const after: RowState = { body: asStored(document.body), source, tree, tree_key, retired: false };
    if (row !== undefined && Bun.deepEquals(stateOf(row), after, true)) plan.unchanged[stage]++;
    else plan.writes.push(writeOf(stage, row, after));
  }
  return plan;
}

/** The held trees of which a sync would write something if they were not. */
function findWithheld(input: PlanInput): string[] {
  const held = input.trees.map(({ tree }) => tree).filter((tree) => input.held.includes(tree));
  if (held.length === 0) return [];
  const { writes } = planSync({ ...input, held: [], force: true });
  const written = new Set(writes.flatMap(({ before, after }) => [before?.tree, after.tree]));
  return held.filter((tree) => written.has(tree));
}

function match({ trees, stored, stages }: PlanInput, closed: ReadonlySet<string>): Matched {
  const rows = stored.filter((row) => isOfFile(row) && stages.includes(row.stage));
  const byIdentity = new Map(rows.map((row) => [identity(row.stage, row.tree, row.tree_key), row]));
  const open = trees.filter(({ tree }) => !closed.has(tree));
  const matches: Match[] = [];

  const byDocument = new Map<string, Match>();
  for (const { tree, documents } of open) {
    for (const document of documents) {
      const stage = STAGE_OF[document.kind];
      if (!stages.includes(stage)) continue;
      const key = identity(stage, tree, document.key);
      byDocument.set(key, { stage, tree, document, row: byIdentity.get(key) });
    }
  }

  const isProtected = createProtection(trees, closed);
  const gone = rows.filter((row) => !byDocument.has(identity(row.stage, row.tree, row.tree_key)) && !isProtected(row));
  const adoptable = new Map<string, StoredRow>();
  // Of several rows of a name (event types and hooks keep retired ones) the one that counts.
  for (const row of gone.toSorted((a, b) => Number(b.retired) - Number(a.retired)))
    adoptable.set(`${row.stage} ${row.body.name}`, row);
  for (const found of byDocument.values()) {
    const key = `${found.stage} ${found.document.body.name}`;
    const row = found.row ?? adoptable.get(key);
    adoptable.delete(key);
    matches.push({ ...found, row });
  }
  const taken = new Set(matches.map(({ row }) => row));
  return { matches, vanished: gone.filter((row) => !row.retired && !taken.has(row)) };
}

/**
 * Whether a row must be left alone: its tree is closed, or its document may stand in a file that cannot be read. It may
 * have moved: from a tree that is no longer configured to any, and under its name into another one, where it has a fault
 * or is not looked at.
 */
function createProtection(trees: readonly ConfiguredTree[], closed: ReadonlySet<string>): (row: StoredRow) => boolean {
  const configured = new Set(trees.map(({ tree }) => tree));
  const waiting = new Set(
    trees.flatMap(({ tree, documents, faults }) => [
      ...faults.flatMap(({ hides = [] }) => hides.map(({ kind, key }) => `${kind} ${key}`)),
      ...(closed.has(tree) ? documents.map(({ kind, body }) => `${kind} ${body.name}`) : []),
    ]),
  );
  return ({ tree, stage, source, tree_key, body }) => {
    const document = { kind: KIND_OF[stage], source, key: tree_key ?? body.name };
    if (closed.has(tree ?? NO_TREE) || waiting.has(`${document.kind} ${body.name}`)) return true;
    const isOfAny = tree === null || !configured.has(tree);
    const mayHaveIt = trees.filter((read) => isOfAny || read.tree === tree);
    return mayHaveIt.some((read) => closed.has(read.tree) || isInDoubt(read, document));
  };
}

function overGuard(live: readonly StoredRow[], vanished: readonly StoredRow[]) {
  const groups = Object.groupBy(vanished, ({ tree }) => tree ?? NO_TREE);
  return Object.entries(groups).flatMap(([tree, gone = []]) => {
    const all = live.filter((row) => (row.tree ?? NO_TREE) === tree).length;
    if (gone.length <= RETIRED_COUNT || gone.length <= all * RETIRED_SHARE) return [];
    const names = gone.slice(0, 5).map(({ body }) => body.name);
    const more = gone.length > names.length ? ` and ${gone.length - names.length} more` : "";
    const message =
      `would retire ${gone.length} of its ${all}: ${names.join(", ")}${more}. ` +
      "Nothing of this tree was touched; if that is meant: --force, or ?force=true";
    return [{ tree, error: { subject: tree || "definitions of no tree", message } }];
  });
}

/** A one-shot that has fired stays valid; a new time must be in the future. */
function pastOneShot({ document, row }: Match, now: Date): string | undefined {
  if (document.kind !== "activity") return undefined;
  const { trigger_config } = document.body;
  const fault = checkRunAt(trigger_config, now);
  if (fault === undefined) return undefined;
  const stored = (row?.body as DefinitionBody | undefined)?.trigger_config;
  const isStored = stored?.trigger_type === "scheduled" && Bun.deepEquals(stored, asStored(trigger_config), true);
  return isStored ? undefined : `${fault.path} ${fault.message}`;
}

function writeOf(stage: DocumentStage, row: StoredRow | undefined, after: RowState): Write {
  if (row === undefined) return { stage, action: "create", id: Bun.randomUUIDv7(), version: null, before: null, after };
  const before = stateOf(row);
  const moved = before.tree !== after.tree || before.tree_key !== after.tree_key;
  const action = after.retired ? "retire" : before.retired ? "revive" : moved ? "adopt" : "update";
  return { stage, action, id: row.id, version: row.version, before, after };
}

/** Whether files made it; a release without trees left `tree` empty. */
function isOfFile({ tree, source }: RowState): boolean {
  return tree !== null || source.startsWith("file:");
}

function identity(stage: DocumentStage, tree: string | null, key: string | null): string {
  return JSON.stringify([stage, tree, key]);
}

/** As Postgres will give it back: what JSON writes alike is alike. */
function asStored<T>(body: T): T {
  return parseJson(JSON.stringify(body)) as T;
}

function faultError({ hides, subject, message }: FileFault, stages: readonly DocumentStage[]): SyncError[] {
  const kind = hides?.[0]?.kind;
  const stage = kind === undefined ? (stages[0] ?? "definitions") : STAGE_OF[kind];
  return stages.includes(stage) ? [{ stage, subject, message }] : [];
}

function noDirectory(live: readonly StoredRow[], stages: readonly DocumentStage[]): SyncError {
  const trees = [...new Set(live.map((row) => row.tree ?? placeOfRow(row)))];
  const message = `no directory is configured: the ${live.length} documents of ${trees.join(", ")} stay as they are (to retire them, configure an empty directory)`;
  return { stage: stages[0] ?? "definitions", subject: "ACTCORE_DEFINITIONS_DIR", message };
}
