/** Makes the loops and the calls of an expression spend from its budget, and mends what the library does in loops and for has(). */
import { type CelEnv, CelScalar, type CelValue, celError, celFunc, celList, isCelList, isCelMap } from "@bufbuild/cel";
import { spend } from "./budget.ts";
import { OPERATORS } from "./functions/operators.ts";
import { childrenOf } from "./paths.ts";
import type { Expr } from "./syntax.ts";

type Functions = CelEnv["funcs"];
type ConstantKind = Extract<Expr["exprKind"], { case: "constExpr" }>["value"]["constantKind"];
type Group = NonNullable<ReturnType<Functions["find"]>>;

const { BOOL, DYN, INT, STRING } = CelScalar;

/** The list that a loop makes. The library would nest one list for each item, and take the stack to read them. */
const growing = new WeakMap<object, CelValue[]>();

/** Functions that only `meter` writes: a name with @ cannot be written in an expression. */
export const loopFunctions = [
  celFunc("@round", [BOOL, INT], BOOL, (goesOn, nodes) => {
    spend(Number(nodes));
    return goesOn;
  }),
  celFunc("@items", [DYN], DYN, (range) => {
    if (isCelList(range) || isCelMap(range)) spend(range.size);
    return range;
  }),
  celFunc("@list", [], DYN, () => {
    const items: CelValue[] = [];
    const list = celList(items);
    growing.set(list, items);
    return list;
  }),
  celFunc("@append", [DYN, DYN], DYN, (list, item) => {
    growing.get(list as object)?.push(item);
    return list;
  }),
  // The library takes a key whose value is null for one that is not there.
  celFunc("@has", [DYN, STRING], BOOL, (map, key) => isCelMap(map) && map.get(key) !== undefined),
];

/** Changes the tree of an expression in place, so that its loops spend. */
export function meter(expr: Expr): void {
  for (const child of childrenOf(expr)) meter(child);
  const { exprKind } = expr;
  if (exprKind.case === "selectExpr" && exprKind.value.testOnly && exprKind.value.operand) {
    const { operand, field } = exprKind.value;
    expr.exprKind = callOf("@has", [operand, constant(expr, { case: "stringValue", value: field })]);
  }
  if (exprKind.case !== "comprehensionExpr") return;
  const loop = exprKind.value;
  const { iterRange, accuInit, loopCondition, loopStep } = loop;
  if (!iterRange || !accuInit || !loopCondition || !loopStep) return;
  if (accuInit.exprKind.case === "listExpr") {
    accuInit.exprKind = callOf("@list", []);
    append(loopStep);
  }
  const nodes = constant(expr, { case: "int64Value", value: BigInt(countNodes(loopStep)) });
  loop.loopCondition = { ...loopCondition, exprKind: callOf("@round", [loopCondition, nodes]) };
  loop.iterRange = { ...iterRange, exprKind: callOf("@items", [iterRange]) };
}

/** `@result + [item]`, or `condition ? @result + [item] : @result`: how map() and filter() write that an item is added. */
function append(step: Expr): void {
  if (step.exprKind.case !== "callExpr") return;
  const { function: name, args } = step.exprKind.value;
  if (name === "_?_:_" && args[1] !== undefined) append(args[1]);
  const [list, added] = args;
  if (name !== "_+_" || list === undefined || added?.exprKind.case !== "listExpr") return;
  step.exprKind = callOf("@append", [list, added.exprKind.value.elements[0] as Expr]);
}

function callOf(name: string, args: Expr[]): Expr["exprKind"] {
  return { case: "callExpr", value: { $typeName: "cel.expr.Expr.Call", function: name, args } };
}

function constant(at: Expr, constantKind: ConstantKind): Expr {
  return { ...at, exprKind: { case: "constExpr", value: { $typeName: "cel.expr.Constant", constantKind } } };
}

function countNodes(expr: Expr): number {
  return childrenOf(expr).reduce((nodes, child) => nodes + countNodes(child), 1);
}

/** `functions`, each call of which spends, also by the size of its texts. Operators of our own come first. */
export function meterFunctions(functions: Functions): Functions {
  const groups = new Map<string, Group | undefined>();
  const find = (name: string): Group | undefined => {
    if (!groups.has(name)) groups.set(name, meterGroup(functions.find(name)));
    return groups.get(name);
  };
  return Object.create(functions, { find: { value: find } });
}

function meterGroup(group: Group | undefined): Group | undefined {
  if (group === undefined) return undefined;
  const operator = OPERATORS[group.name];
  const call: Group["call"] = (id, target, args) => {
    let units = 2 + sizeOf(target);
    for (const arg of args) units += sizeOf(arg);
    spend(units);
    if (operator === undefined) return group.call(id, target, args) ?? callWithInts(group, id, target, args);
    try {
      return operator(args[0] as CelValue, args[1] as CelValue) ?? group.call(id, target, args);
    } catch (error) {
      return celError(error, id);
    }
  };
  return Object.create(group, { call: { value: call } });
}

/** `text.substring(event.payload.n)`: a whole number of JSON, which is a double, where only an int is taken. */
function callWithInts(group: Group, ...[id, target, args]: Parameters<Group["call"]>): ReturnType<Group["call"]> {
  const ints = args.map((arg) => (Number.isSafeInteger(arg) ? BigInt(arg as number) : arg));
  return ints.some((int, index) => int !== args[index]) ? group.call(id, target, ints) : undefined;
}

function sizeOf(value: unknown): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length >> 5 : 0;
}
