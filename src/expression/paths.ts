/** Which values an expression reads: the attribute paths of its syntax tree. */
import { isFields } from "../json/fields.ts";
import type { Reads, Values } from "./scope.ts";
import type { Expr } from "./syntax.ts";

/** `event.payload.items[0]` is the root event with the keys payload, items and 0. */
export interface Path {
  root: string;
  keys: readonly (string | number)[];
  /** Of the expression that names the root. */
  id: bigint;
  /** Whether a computed key follows, as in `tasks[x]`. */
  isComputed: boolean;
}

/** Every path whose root is not the variable of a loop, in the order in which they are written. */
export function findPaths(expr: Expr): Path[] {
  const paths: Path[] = [];
  collect(expr, new Set(), paths);
  return paths;
}

export function readsOf(paths: readonly Path[]): Reads {
  const names = new Map<string, Set<string>>();
  for (const { root, keys } of paths) {
    const below = names.get(root) ?? new Set();
    if (typeof keys[0] === "string") below.add(keys[0]);
    names.set(root, below);
  }
  return { roots: new Set(names.keys()), names: (root) => names.get(root) ?? new Set() };
}

/** The expressions directly within `expr`, those that a macro writes included. */
export function childrenOf(expr: Expr): Expr[] {
  const { exprKind } = expr;
  switch (exprKind.case) {
    case "selectExpr":
      return exprKind.value.operand ? [exprKind.value.operand] : [];
    case "callExpr":
      return exprKind.value.target ? [exprKind.value.target, ...exprKind.value.args] : exprKind.value.args;
    case "listExpr":
      return exprKind.value.elements;
    case "structExpr":
      return exprKind.value.entries.flatMap((entry) => [
        ...(entry.keyKind.case === "mapKey" ? [entry.keyKind.value] : []),
        ...(entry.value ? [entry.value] : []),
      ]);
    case "comprehensionExpr": {
      const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
      return [iterRange, accuInit, loopCondition, loopStep, result].filter((part) => part !== undefined);
    }
    default:
      return [];
  }
}

function collect(expr: Expr, variables: ReadonlySet<string>, paths: Path[]): void {
  const { exprKind } = expr;
  if (exprKind.case === "comprehensionExpr") {
    const { iterRange, iterVar, accuVar, accuInit, loopCondition, loopStep, result } = exprKind.value;
    if (iterRange) collect(iterRange, variables, paths);
    const within = new Set([...variables, iterVar, accuVar]);
    for (const part of [accuInit, loopCondition, loopStep, result]) if (part) collect(part, within, paths);
    return;
  }
  const chain = toChain(expr) ?? toGetChain(expr);
  if (chain === undefined) {
    for (const child of childrenOf(expr)) collect(child, variables, paths);
    return;
  }
  if (!variables.has(chain.path.root)) paths.push(chain.path);
  for (const computed of chain.computed) collect(computed, variables, paths);
}

/** `get(tasks, "mail.status", "")` reads the name mail. */
function toGetChain({ exprKind }: Expr): Chain | undefined {
  if (exprKind.case !== "callExpr" || exprKind.value.function !== "get") return undefined;
  const [value, path, ...rest] = exprKind.value.args as [Expr, Expr, ...Expr[]];
  const chain = value && toChain(value);
  const text = path && constantKeyOf(path);
  if (chain === undefined || chain.path.keys.length > 0 || typeof text !== "string") return undefined;
  const { path: whole, computed } = withKey(chain, text.split(".", 1)[0] as string);
  return { path: whole, computed: [...computed, ...rest] };
}

interface Chain {
  path: Path;
  computed: Expr[];
}

/** Undefined where `expr` is no name with keys behind it. */
function toChain(expr: Expr): Chain | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "identExpr")
    return {
      path: { root: exprKind.value.name.replace(/^\./, ""), keys: [], id: expr.id, isComputed: false },
      computed: [],
    };
  if (exprKind.case === "selectExpr" && exprKind.value.operand) {
    const chain = toChain(exprKind.value.operand);
    return chain && withKey(chain, exprKind.value.field);
  }
  if (exprKind.case === "callExpr" && exprKind.value.function === "_[_]") {
    const [operand, index] = exprKind.value.args as [Expr, Expr];
    const chain = toChain(operand);
    if (chain === undefined) return undefined;
    const key = constantKeyOf(index);
    if (key !== undefined) return withKey(chain, key);
    return { path: { ...chain.path, isComputed: true }, computed: [...chain.computed, index] };
  }
  return undefined;
}

function withKey({ path, computed }: Chain, key: string | number): Chain {
  return path.isComputed ? { path, computed } : { path: { ...path, keys: [...path.keys, key] }, computed };
}

function constantKeyOf({ exprKind }: Expr): string | number | undefined {
  if (exprKind.case !== "constExpr") return undefined;
  const { constantKind } = exprKind.value;
  if (constantKind.case === "stringValue") return constantKind.value;
  return constantKind.case === "int64Value" ? Number(constantKind.value) : undefined;
}

/** The part of `values` that the paths read, and nothing beside it. */
export function pick(values: Values, paths: readonly Path[]): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const { root, keys } of paths) copyAt(values, picked, [root, ...keys]);
  return picked;
}

/** A list is copied as a whole, so that its items stay where they are. */
function copyAt(from: unknown, into: Record<string, unknown>, [key, ...rest]: readonly (string | number)[]): void {
  if (typeof from !== "object" || from === null || key === undefined || !Object.hasOwn(from, key)) return;
  const value = (from as Record<string, unknown>)[key];
  if (rest.length === 0 || !isFields(value)) {
    define(into, String(key), value);
    return;
  }
  if (!Object.hasOwn(into, key)) define(into, String(key), {});
  if (into[key] !== value) copyAt(value, into[key] as Record<string, unknown>, rest);
}

/** Also where the key is `__proto__`. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}
