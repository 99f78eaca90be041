/** Which task templates of a definition depend on which: the faults of what it says, and what comes before what. Pure. */
import { preview } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";
import { findNearest } from "../kernel/nearest-name.ts";

interface Node {
  readonly key: string;
  readonly depends_on?: readonly string[];
}

/** The keys of all templates that come before the one of `key`: those that it depends on, those that they depend on, and so on. */
export function keysBefore(nodes: readonly Node[], key: string): ReadonlySet<string> {
  const before = new Set<string>();
  const add = (from: string) => {
    for (const next of nodes.find((node) => node.key === from)?.depends_on ?? []) {
      if (before.has(next)) continue;
      before.add(next);
      add(next);
    }
  };
  add(key);
  return before;
}

/** Templates that are not there, and circles; `path` is that of the list of templates. */
export function findGraphFaults(nodes: readonly Node[], path: string): Fault[] {
  const keys = nodes.map(({ key }) => key);
  const unknown = nodes.flatMap(({ key, depends_on = [] }, at) =>
    depends_on.flatMap((wanted, index): Fault[] => {
      const message = describeDependency(wanted, key, keys);
      return message === undefined ? [] : [{ path: `${path}/${at}/depends_on/${index}`, message }];
    }),
  );
  if (unknown.length > 0) return unknown;
  const circle = findCircle(nodes);
  if (circle === undefined) return [];
  const at = keys.indexOf(circle[0] as string);
  return [{ path: `${path}/${at}/depends_on`, message: `leads round in a circle: ${circle.join(" → ")}` }];
}

function describeDependency(wanted: string, own: string, keys: readonly string[]): string | undefined {
  if (wanted === own) return "a task template cannot depend on itself";
  if (keys.includes(wanted)) return undefined;
  const near = findNearest(
    wanted,
    keys.filter((key) => key !== own),
  );
  const hint = near === undefined ? "" : `; did you mean ${preview(near)}?`;
  return `there is no task template ${preview(wanted)}${hint}`;
}

/** Keys that lead from one to the next and back to the first. */
function findCircle(nodes: readonly Node[]): string[] | undefined {
  const done = new Set<string>();
  const follow = (key: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(key)) return [...way.slice(way.indexOf(key)), key];
    if (done.has(key)) return undefined;
    for (const next of nodes.find((node) => node.key === key)?.depends_on ?? []) {
      const circle = follow(next, [...way, key]);
      if (circle !== undefined) return circle;
    }
    done.add(key);
    return undefined;
  };
  for (const { key } of nodes) {
    const circle = follow(key, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

/** So that each comes after those that it depends on; otherwise in the order of the definition. There is no circle. */
export function inOrder<T extends Node>(nodes: readonly T[]): readonly T[] {
  if (nodes.every(({ depends_on = [] }) => depends_on.length === 0)) return nodes;
  const ordered = new Set<T>();
  const add = (node: T) => {
    if (ordered.has(node)) return;
    for (const key of node.depends_on ?? []) {
      const before = nodes.find((each) => each.key === key);
      if (before !== undefined) add(before);
    }
    ordered.add(node);
  };
  nodes.forEach(add);
  return [...ordered];
}
