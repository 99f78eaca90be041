/** What holds of every plan, whatever was edited: tried on random trees, with the writes applied as Postgres would. */
import { expect, test } from "bun:test";
import { DOCUMENT_KINDS } from "../../src/document/document-schema.ts";
import type { TreeDocument } from "../../src/document/tree.ts";
import { DOCUMENT_STAGES, type StoredRow, type Write } from "../../src/sync/document-row.ts";
import { planSync } from "../../src/sync/plan.ts";
import { planRollback } from "../../src/sync/rollback.ts";
import { bodyOf } from "../support/ledger.ts";

const SEQUENCES = 100;
const ROUNDS = 6;
const NOW = new Date("2026-06-01T00:00:00Z");
const NAMES = ["a", "b", "c", "d", "e", "f"];
const KEYS = [undefined, undefined, "1", "2", "3"];
const TREES = ["/x", "/y"];

/** Mulberry32: a failing seed can be tried again. */
function randomOf(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, pick: <T>(from: readonly T[]) => from[Math.floor(next() * from.length)] as T };
}

/** As readTree gives them: no name and no key of a kind twice in a tree. */
function randomTree(tree: string, { next, pick }: ReturnType<typeof randomOf>) {
  const documents: TreeDocument[] = [];
  for (const kind of DOCUMENT_KINDS) {
    const taken = new Set<string>();
    for (const name of NAMES) {
      const key = pick(KEYS) ?? name;
      if (next() < 0.4 || taken.has(key)) continue;
      taken.add(key);
      const place = { key, source: `file:${pick(["p", "q"])}.yaml`, line: 1 };
      const enabled = next() < 0.7;
      if (kind === "activity") documents.push({ kind, ...place, body: bodyOf(name, { enabled }) });
      else if (kind === "event_type") documents.push({ kind, ...place, body: { name, schema: {}, enforce: enabled } });
      else documents.push({ kind, ...place, body: hookOf(name, enabled) });
    }
  }
  return { tree, documents, faults: [] };
}

function hookOf(name: string, enabled: boolean) {
  return { name, enabled, verify: "github" as const, secrets: ["HOOK"] };
}

function apply(rows: readonly StoredRow[], writes: readonly Write[]): StoredRow[] {
  const after = new Map(rows.map((row) => [row.id, row]));
  for (const { id, stage, version, after: state } of writes)
    after.set(id, { ...state, stage, id, version: (version ?? 0) + 1 });
  return [...after.values()].filter(({ deleted }) => !deleted);
}

/** What the unique indexes hold. */
function assertUnique(rows: readonly StoredRow[]): void {
  const names = rows
    .filter((row) => row.stage === "definitions" || !row.retired)
    .map((row) => `${row.stage} ${row.body.name}`);
  const keys = rows
    .filter(({ tree }) => tree !== null)
    .map((row) => JSON.stringify([row.stage, row.tree, row.tree_key]));
  expect(names).toHaveLength(new Set(names).size);
  expect(keys).toHaveLength(new Set(keys).size);
}

test("a plan keeps names and identities unique, touches each row once and nothing of REST, and leaves nothing to do", () => {
  for (let seed = 1; seed <= SEQUENCES; seed++) {
    const random = randomOf(seed);
    const rest = NAMES.flatMap((name): StoredRow[] => {
      const row = { version: 1, source: "rest", tree: null, tree_key: null, retired: false };
      const made: StoredRow[] = [
        { ...row, stage: "definitions", id: crypto.randomUUID(), body: bodyOf(name) },
        { ...row, stage: "hooks", id: crypto.randomUUID(), body: hookOf(name, true) },
      ];
      return made.filter(() => random.next() < 0.1);
    });
    let stored: StoredRow[] = rest;
    for (let round = 0; round < ROUNDS; round++) {
      const trees = TREES.filter(() => random.next() < 0.9).map((tree) => randomTree(tree, random));
      const held = random.next() < 0.1 ? [random.pick(TREES)] : [];
      const force = random.next() < 0.7;
      const plan = () => planSync({ trees, stored, stages: DOCUMENT_STAGES, held, force, now: NOW });
      const before = stored;
      const { writes, errors, refused, unchanged } = plan();

      expect(new Set(writes.map(({ id }) => id)).size).toBe(writes.length);
      const closed = new Set([...held, ...refused]);
      for (const write of writes) {
        expect(write.before?.source).not.toBe("rest");
        expect([closed.has(write.after.tree ?? ""), closed.has(write.before?.tree ?? "-")]).toEqual([false, false]);
      }
      stored = apply(before, writes);
      assertUnique(stored);
      for (const row of rest) expect(stored).toContainEqual(row);
      // Every document of an open tree is there as it is, or an error says why not.
      const open = trees.filter(({ tree }) => !closed.has(tree)).flatMap(({ documents }) => documents);
      const same = unchanged.definitions + unchanged.event_types + unchanged.hooks;
      const written = writes.filter(({ after }) => !after.retired).length;
      if (trees.length > 0) expect(written + same + errors.length - refused.length).toBe(open.length);

      const again = plan();
      expect([seed, round, again.writes, again.errors.length]).toEqual([seed, round, [], errors.length]);

      const undone = planRollback(writes, stored);
      const rolledBack = apply(stored, undone.writes);
      assertUnique(rolledBack);
      for (const row of before) {
        const { version: _, ...state } = row;
        expect(rolledBack).toContainEqual(expect.objectContaining(state));
      }
    }
  }
});
