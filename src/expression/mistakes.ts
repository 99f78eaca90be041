/** What is wrong with an expression that can be parsed: names that do not exist, and calls that nothing answers. */
import { closest, distance } from "fastest-levenshtein";
import { environment } from "./environment.ts";
import { childrenOf, findPaths, type Path } from "./paths.ts";
import type { Scope } from "./scope.ts";
import { type Expr, positionOf, type Syntax } from "./syntax.ts";

/** Names that stand for types, as in `type(event.payload.n) == int`. */
const TYPES: ReadonlySet<string> = new Set([
  "int",
  "uint",
  "double",
  "bool",
  "string",
  "bytes",
  "list",
  "map",
  "null_type",
  "type",
]);

const MACROS = ["has", "all", "exists", "exists_one", "existsOne", "map", "filter"];

/** Each mistake in a sentence that says where in the text it is. */
export function findMistakes(syntax: Syntax, scope: Scope): string[] {
  const at = (id: bigint, message: string) => `at ${positionOf(syntax.text, syntax.offsetOf(id))}: ${message}`;
  return [
    ...findPaths(syntax.expr).flatMap((path) => {
      const mistake = describePath(path, scope);
      return mistake === undefined ? [] : [at(path.id, mistake)];
    }),
    ...findCalls(syntax.expr).flatMap(({ id, name, isMethod, count }) => {
      const mistake = describeCall(name, isMethod, count);
      return mistake === undefined ? [] : [at(id, mistake)];
    }),
  ];
}

function describePath({ root, keys, isComputed }: Path, scope: Scope): string | undefined {
  if (!scope.roots.includes(root)) {
    if (TYPES.has(root)) return undefined;
    if (root === "secret")
      return "secret cannot be read here: secrets are for the params of tasks and for context sources";
    return `${root} is not known here${nearest(root, scope.roots)}`;
  }
  if (root === "secret" && typeof keys[0] !== "string")
    return "a secret is read by its name, as in secret.NAME: it can neither be computed nor can all be read at once";
  if (!["tasks", "context"].includes(root)) return undefined;
  if (isComputed && keys.length === 0)
    return `${root}[…] is computed: name it, as in ${root}.NAME, so that it is known what is read`;
  const names = scope.names?.[root];
  const [name] = keys;
  if (names === undefined || name === undefined || names.includes(String(name))) return undefined;
  return `${root} has no ${name}${nearest(String(name), names)}`;
}

interface Call {
  id: bigint;
  name: string;
  isMethod: boolean;
  count: number;
}

function findCalls(expr: Expr): Call[] {
  const { exprKind } = expr;
  if (exprKind.case === "comprehensionExpr") {
    const { iterRange, loopStep } = exprKind.value;
    return [iterRange, loopStep].flatMap((part) => (part ? findCalls(part) : []));
  }
  const inner = childrenOf(expr).flatMap(findCalls);
  if (exprKind.case !== "callExpr" || /\W/.test(exprKind.value.function.replaceAll(".", ""))) return inner;
  const { function: name, target, args } = exprKind.value;
  return [{ id: expr.id, name, isMethod: target !== undefined, count: args.length }, ...inner];
}

function describeCall(name: string, isMethod: boolean, count: number): string | undefined {
  const known = [...environment().funcs].filter((func) => /^[\w.]+$/.test(func.name));
  const overloads = known.filter((func) => func.name === name);
  if (overloads.length === 0) {
    if (MACROS.includes(name)) return `${name}() is not used so`;
    return `there is no function ${name}()${nearest(name, [...known.map((func) => func.name), ...MACROS])}`;
  }
  const fitting = overloads.filter((func) => (func.target !== undefined) === isMethod);
  if (fitting.length === 0)
    return isMethod ? `${name}() is called as ${name}(x)` : `${name}() is called as x.${name}()`;
  const counts = [...new Set(fitting.map((func) => func.arguments.length))].sort();
  return counts.includes(count) ? undefined : `${name}() takes ${counts.join(" or ")} arguments, and is given ${count}`;
}

/** The nearest of the names, or all of them where they are few. */
function nearest(word: string, known: readonly string[]): string {
  const names = [...new Set(known)];
  if (names.length === 0) return "";
  const near = closest(word, names);
  if (distance(word, near) <= Math.max(2, Math.floor(word.length / 3))) return `: did you mean ${near}?`;
  return names.length <= 12 ? `: there is ${names.join(", ")}` : "";
}
