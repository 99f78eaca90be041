/**
 * Finds what waits for a type of event, in a time that does not grow with what waits for others: an exact type is looked up, and
 * patterns are kept as a tree of their segments, of which only the branches that the type leads into are entered.
 */
import { createRecentlyUsed } from "../kernel/recently-used.ts";
import { ONE, REST, type TypePattern } from "./type-pattern.ts";

export interface TypeIndex<T> {
  /** Those that wait for exactly this type come first. */
  find(type: string): readonly T[];
}

const MAX_KNOWN = 1_000;

/** A beginning of patterns. */
interface Branch<T> {
  /** By the next segment, `*` included. */
  next: Map<string, Branch<T>>;
  /** Whose patterns end here. */
  here: T[];
  /** Whose patterns end with `**` behind this. */
  rest: T[];
}

export function createTypeIndex<T>(entries: readonly T[], patternOf: (entry: T) => TypePattern): TypeIndex<T> {
  const { exact = [], patterns = [] } = Object.groupBy(entries, (entry) =>
    patternOf(entry).segments ? "patterns" : "exact",
  );
  const byType = Map.groupBy(exact, (entry) => patternOf(entry).text);
  const known = createRecentlyUsed<readonly T[]>(MAX_KNOWN);
  const root = createBranch<T>();
  for (const entry of patterns) add(root, patternOf(entry).segments ?? [], entry);

  return {
    find(type) {
      if (patterns.length === 0) return byType.get(type) ?? [];
      return known.get(type) ?? known.put(type, [...(byType.get(type) ?? []), ...collect(root, type, 0, [])]);
    },
  };
}

function createBranch<T>(): Branch<T> {
  return { next: new Map(), here: [], rest: [] };
}

function add<T>(root: Branch<T>, segments: readonly string[], entry: T): void {
  let branch = root;
  for (const segment of segments) {
    if (segment === REST) {
      branch.rest.push(entry);
      return;
    }
    const next = branch.next.get(segment) ?? createBranch<T>();
    branch.next.set(segment, next);
    branch = next;
  }
  branch.here.push(entry);
}

/** Adds to `found` what waits below `branch` for a type of which the segments from `begin` on are left, at least one. */
function collect<T>(branch: Branch<T>, type: string, begin: number, found: T[]): T[] {
  for (const entry of branch.rest) found.push(entry);
  const end = type.indexOf(".", begin);
  const segment = end === -1 ? type.slice(begin) : type.slice(begin, end);
  enter(branch.next.get(segment), type, end, found);
  // An event whose own segment is an asterisk has entered that branch already.
  if (segment !== ONE) enter(branch.next.get(ONE), type, end, found);
  return found;
}

function enter<T>(branch: Branch<T> | undefined, type: string, end: number, found: T[]): void {
  if (branch === undefined) return;
  if (end !== -1) collect(branch, type, end + 1, found);
  else for (const entry of branch.here) found.push(entry);
}
