/** What is wrong with an expression that can be parsed: names that do not exist, and calls that nothing answers. */
import { type CelValue, celList, isCelError, plan } from "@bufbuild/cel";
import { findNearest } from "../kernel/nearest-name.ts";
import { withinBudget } from "./budget.ts";
import { environment } from "./environment.ts";
import { reword } from "./failure.ts";
import { compilePattern } from "./functions/patterns.ts";
import { checkTimePattern, checkZone } from "./functions/times.ts";
import { childrenOf, findPaths, type Path } from "./paths.ts";
import type { Scope } from "./scope.ts";
import { type Expr, positionOf, type Syntax } from "./syntax.ts";

/** Names that stand for types, as in `type(event.payload.n) == int`. */
const TYPES = ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"];

/** How each macro is used. */
const MACROS: Readonly<Record<string, string>> = {
  has: "has(event.payload.key)",
  all: "list.all(x, x > 0)",
  exists: "list.exists(x, x > 0)",
  exists_one: "list.exists_one(x, x > 0)",
  existsOne: "list.existsOne(x, x > 0)",
  map: "list.map(x, x.name)",
  filter: "list.filter(x, x > 0)",
};

const MAX_KEYS = 50;
const MAX_INT = 2n ** 63n - 1n;
/** Calls whose arguments are not all evaluated. */
const LAZY = new Set(["_&&_", "_||_", "_?_:_", "_[_]", "@not_strictly_false"]);

/** Each mistake in a sentence that says where it is in the text, of which `before` stands before the expression. */
export function findMistakes({ text, expr, offsetOf }: Syntax, scope: Scope, before = ""): string[] {
  const positionOfNode = (id: bigint) => positionOf(before + text, before.length + offsetOf(id));
  const at = (id: bigint) => (message: string) => `at ${positionOfNode(id)}: ${message}`;
  return [
    ...findPaths(expr).flatMap((path) => describePath(path, scope).map(at(path.id))),
    ...findNodes(expr).flatMap((node) => describeNode(node).map(at(node.id))),
  ];
}

function findNodes(expr: Expr): Expr[] {
  return [expr, ...childrenOf(expr).flatMap(findNodes)];
}

function describePath({ root, keys, isComputed }: Path, scope: Scope): string[] {
  const [name] = keys;
  if (keys.length > MAX_KEYS) return [`a path of ${keys.length} keys is too long: at most ${MAX_KEYS} are taken`];
  if (!scope.roots.includes(root)) {
    if (root === "secret")
      return ["secret cannot be read here: secrets are for the params of tasks and for context sources"];
    return TYPES.includes(root) ? [] : [`${root} is not known here${describeNearest(root, scope.roots)}`];
  }
  if (root === "secret" && (typeof name !== "string" || keys.length > 1 || isComputed))
    return ["a secret is read by its name, as in secret.NAME: it can neither be computed nor all be read at once"];
  if (name === undefined && (root === "tasks" || (root === "context" && isComputed)))
    return [`${root} is read by names, as in ${root}.NAME, so that it is known what is read`];
  const names = scope.names?.[root];
  if (names === undefined || name === undefined || names.includes(String(name))) return [];
  return [`${root} has no ${name}${describeNearest(String(name), names)}`];
}

function describeNode(expr: Expr): string[] {
  const { exprKind } = expr;
  if (exprKind.case === "structExpr" && exprKind.value.messageName !== "")
    return [`${exprKind.value.messageName}{…} makes nothing: an object is written {"key": value}`];
  if (exprKind.case === "constExpr") {
    const { constantKind } = exprKind.value;
    const isTooLarge =
      (constantKind.case === "int64Value" && (constantKind.value > MAX_INT || constantKind.value < -MAX_INT - 1n)) ||
      (constantKind.case === "uint64Value" && constantKind.value >= 2n ** 64n);
    return isTooLarge ? [`${constantKind.value} has more than 64 bits`] : [];
  }
  if (exprKind.case !== "callExpr") return [];
  const { function: name, target, args } = exprKind.value;
  const mistakes = /^\w+$/.test(name) ? describeCall(name, target !== undefined, args.length) : [];
  return mistakes.length > 0 ? mistakes : describeConstants(expr, name, target, args);
}

function describeCall(name: string, isMethod: boolean, count: number): string[] {
  const overloads = [...(environment().funcs.find(name) ?? [])];
  if (overloads.length === 0) {
    if (Object.hasOwn(MACROS, name)) return [`${name}() is used as in ${MACROS[name]}`];
    const known = [...new Set([...environment().funcs].map((func) => func.name)), ...Object.keys(MACROS)];
    return [
      `there is no function ${name}()${describeNearest(
        name,
        known.filter((word) => /^\w+$/.test(word)),
      )}`,
    ];
  }
  const fitting = overloads.filter((func) => (func.target !== undefined) === isMethod);
  if (fitting.length === 0)
    return [isMethod ? `${name}() is called as ${name}(x)` : `${name}() is called as x.${name}()`];
  const counts = [...new Set(fitting.map((func) => func.arguments.length))].sort();
  if (counts.includes(count)) return [];
  return [
    `${name}() takes ${counts.join(" or ")} ${counts.at(-1) === 1 ? "argument" : "arguments"}, and is given ${count}`,
  ];
}

/** Calls are made now where all that they take is written in the expression, and checked where a part of it is. */
function describeConstants(call: Expr, name: string, target: Expr | undefined, args: readonly Expr[]): string[] {
  const values = args.map(constantOf);
  const on = target && constantOf(target);
  try {
    if (LAZY.has(name)) return name === "_[_]" ? [] : describeCondition(name, values);
    const isKnown = !values.includes(undefined) && (target === undefined) === (on === undefined);
    if (isKnown) {
      const result = withinBudget(() => plan(environment(), call)());
      return isCelError(result) ? [reword(result.message)] : [];
    }
    withinBudget(() => checkArguments(name, values));
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  return [];
}

function describeCondition(name: string, values: readonly (CelValue | undefined)[]): string[] {
  const conditions = name === "_?_:_" ? values.slice(0, 1) : values;
  return conditions.some((value) => value !== undefined && typeof value !== "boolean")
    ? [`${name === "_?_:_" ? "?" : name.replaceAll("_", "")} takes true or false`]
    : [];
}

function checkArguments(name: string, values: readonly (CelValue | undefined)[]): void {
  const [first, second, third] = values;
  if (name === "matches" && typeof first === "string") compilePattern(first);
  if (name.startsWith("get") && name !== "get" && typeof first === "string") checkZone(first);
  if (name === "strftime" && typeof second === "string") checkTimePattern(second);
  if (name === "strftime" && typeof third === "string") checkZone(third);
}

/** The value that is written; undefined where it has to be evaluated, and for numbers beyond 64 bits. */
function constantOf({ exprKind }: Expr): CelValue | undefined {
  if (exprKind.case === "listExpr") {
    const items = exprKind.value.elements.map(constantOf);
    return items.includes(undefined) ? undefined : celList(items as CelValue[]);
  }
  if (exprKind.case !== "constExpr") return undefined;
  const { case: kind, value } = exprKind.value.constantKind;
  if (kind === "nullValue") return null;
  if (kind === "boolValue" || kind === "doubleValue" || kind === "stringValue" || kind === "bytesValue") return value;
  return kind === "int64Value" && value >= -MAX_INT && value <= MAX_INT ? value : undefined;
}

/** The nearest of the names, or all of them where they are few. */
function describeNearest(word: string, names: readonly string[]): string {
  const near = findNearest(word, names);
  if (near !== undefined) return `: did you mean ${near}?`;
  return names.length > 0 && names.length <= 12 ? `: there is ${names.join(", ")}` : "";
}
