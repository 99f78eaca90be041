/**
 * Templates: JSON whose strings may have `{{ expression }}`. A string that is one expression and nothing else becomes its
 * value; in every other one the values become text.
 *
 * A string that reads `secret` is not rendered here: its text and the values that it reads go on as a source, and
 * `renderSecret` makes its value where it is used. Only sources say what is rendered there. What a payload contains never is.
 */
import { isExactNumber } from "../json/exact-number.ts";
import { preview } from "../json/faults.ts";
import { pointTo } from "../json/pointer.ts";
import type { Fault } from "../kernel/errors.ts";
import { once } from "../kernel/once.ts";
import { withinBudget } from "./budget.ts";
import { compileChecked, compileExpression, type Expression, findExpressionFaults } from "./expression.ts";
import { ExpressionError } from "./expression-error.ts";
import { pick, readsOf } from "./paths.ts";
import { createRoom, measure, type Room } from "./results.ts";
import type { Reads, Scope, Values } from "./scope.ts";
import { positionOf } from "./syntax.ts";
import { hasTemplate, splitTemplate, UnclosedError } from "./template-text.ts";

export { hasTemplate } from "./template-text.ts";

/** A text with expressions, as the definition has it. */
export interface TemplateSource {
  text: string;
  /** Set where the text reads secrets: the other values that it reads, so that it can be rendered without the run's context. */
  values?: Readonly<Record<string, unknown>>;
}

export interface Rendered {
  /** JSON; where a string reads `secret`, the text as it is written in the definition. */
  value: unknown;
  /** By JSON pointer into `value`: each string that has an expression. */
  sources: Record<string, TemplateSource>;
}

export interface Template {
  /** @throws ExpressionError where a text is not valid */
  readonly reads: Reads;
  /** Whether nothing in it is an expression: `render` answers the very value that it was made of. */
  readonly isLiteral: boolean;
  /**
   * Its expressions together have the budget of one evaluation, and make at most 1 MB of JSON.
   * @throws ExpressionError
   */
  render(values: Values): Rendered;
}

/** A string with expressions: each part is a text or an expression. */
interface Text {
  text: string;
  parts: () => readonly (string | Expression)[];
}

/** What in a value has to be rendered: a string, or what stands under some keys. */
type Node = Text | ReadonlyMap<string, Node>;

/** Cheap: the texts are parsed at their first use, as by `compileExpression`. */
export function compileTemplate(value: unknown, scope: Scope): Template {
  const root = toNode(value, (text) => compileExpression(text, scope));
  const reads = once(() => readsOf(root ? [...textsOf(root)].flatMap(pathsOf) : []));
  return {
    get reads() {
      return reads();
    },
    isLiteral: root === undefined,
    render(values) {
      if (root === undefined) return { value, sources: {} };
      const rendering: Rendering = { values, sources: {}, room: createRoom() };
      const rendered = withinBudget(() => renderNode(root, value, "", rendering));
      return { value: rendered, sources: rendering.sources };
    },
  };
}

/** How many strings of one template may have an expression. */
const MAX_TEXTS = 1_000;

/**
 * Faults of every expression, of braces that are not closed or stand in a key, and of `${…}`, which is filled in by nobody but a shell.
 * @param shellPaths paths of the texts that a shell reads
 */
export function findTemplateFaults(
  value: unknown,
  path: string,
  scope: Scope,
  shellPaths: readonly string[] = [],
): Fault[] {
  const root = toNode(value, compileChecked);
  const count = root === undefined ? 0 : [...textsOf(root)].length;
  if (count > MAX_TEXTS)
    return [
      { path: path || "/", message: `has ${count} texts with an expression, and at most ${MAX_TEXTS} are taken` },
    ];
  const isForShell = (at: string) => shellPaths.includes(at);
  return findFaultsOf(value, path, scope, isForShell);
}

function findFaultsOf(value: unknown, path: string, scope: Scope, isForShell: (path: string) => boolean): Fault[] {
  if (typeof value === "string") return findTextFaults(value, path || "/", scope, isForShell(path));
  if (typeof value !== "object" || value === null || isExactNumber(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(/\{\{|\$\{/.test(key)
      ? [
          {
            path: path || "/",
            message: `its key ${preview(key)} has an expression: keys are taken as they are written`,
          },
        ]
      : []),
    ...findFaultsOf(inner, pointTo(path, key), scope, isForShell),
  ]);
}

/** Whether a text reads a secret. False where it is not valid, which is a fault of its own. */
export function readsSecret(text: string): boolean {
  try {
    return pathsOf(toText(text, compileChecked)).some(({ root }) => root === "secret");
  } catch {
    return false;
  }
}

/** Whether the expressions of a text, if it has any, read nothing: `{{ "{{" }}`, which stands for two braces. */
export function isConstant(text: string): boolean {
  try {
    return !hasTemplate(text) || pathsOf(toText(text, compileChecked)).length === 0;
  } catch {
    return false;
  }
}

/** A string that reads `secret`, rendered at its use. @throws ExpressionError */
export function renderSecret(source: TemplateSource, secret: Readonly<Record<string, string>>): unknown {
  const text = toText(source.text, compileChecked);
  return withinBudget(() => renderText(text, { ...source.values, secret }));
}

function toNode(value: unknown, compile: (text: string) => Expression): Node | undefined {
  if (typeof value === "string") return hasTemplate(value) ? toText(value, compile) : undefined;
  if (typeof value !== "object" || value === null || isExactNumber(value)) return undefined;
  const nodes = new Map<string, Node>();
  for (const [key, inner] of Object.entries(value)) {
    const node = toNode(inner, compile);
    if (node !== undefined) nodes.set(key, node);
  }
  return nodes.size === 0 ? undefined : nodes;
}

function toText(text: string, compile: (text: string) => Expression): Text {
  return {
    text,
    parts: once(() => {
      try {
        return splitTemplate(text).map((part) => ("literal" in part ? part.literal : compile(part.expression.trim())));
      } catch (error) {
        throw error instanceof UnclosedError ? new ExpressionError(`${preview(text)}: ${error.message}`) : error;
      }
    }),
  };
}

function isText(node: Node): node is Text {
  return "text" in node;
}

function* textsOf(node: Node): Generator<Text> {
  if (isText(node)) yield node;
  else for (const inner of node.values()) yield* textsOf(inner);
}

function pathsOf({ parts }: Text) {
  return parts().flatMap((part) => (typeof part === "string" ? [] : part.paths));
}

interface Rendering {
  values: Values;
  sources: Record<string, TemplateSource>;
  room: Room;
}

function renderNode(node: Node, value: unknown, pointer: string, rendering: Rendering): unknown {
  if (isText(node)) {
    return within(pointer, () => {
      const rendered = renderOrKeep(node, pointer, rendering);
      measure(rendered, rendering.room);
      return rendered;
    });
  }
  const renderKey = (key: string, inner: unknown) => {
    const found = node.get(key);
    return found === undefined ? inner : renderNode(found, inner, pointTo(pointer, key), rendering);
  };
  return Array.isArray(value)
    ? value.map((inner, index) => renderKey(String(index), inner))
    : Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, renderKey(key, inner)]));
}

/** Says in an error which text of the template it is about. */
function within<T>(pointer: string, render: () => T): T {
  try {
    return render();
  } catch (error) {
    if (pointer === "" || !(error instanceof ExpressionError)) throw error;
    const { message, hint } = error;
    throw new ExpressionError(`in ${pointer}: ${message}`, { cause: error, ...(hint !== undefined && { hint }) });
  }
}

/** The text as it is written where it reads a secret, and its source with what else it reads. */
function renderOrKeep(node: Text, pointer: string, { values, sources, room }: Rendering): unknown {
  const paths = pathsOf(node);
  const others = paths.filter(({ root }) => root !== "secret");
  if (others.length === paths.length) {
    sources[pointer] = { text: node.text };
    return renderText(node, values);
  }
  const picked = pick(values, others);
  measure(picked, room);
  sources[pointer] = { text: node.text, values: picked };
  return node.text;
}

function renderText({ parts }: Text, values: Values): unknown {
  const [first, ...others] = parts();
  if (first !== undefined && typeof first !== "string" && others.length === 0) return first.evaluate(values);
  return parts()
    .map((part) => (typeof part === "string" ? part : toInsert(part, part.evaluate(values))))
    .join("");
}

function toInsert({ text }: Expression, value: unknown): string {
  if (typeof value === "object" && !isExactNumber(value)) {
    const what = value === null ? "null" : Array.isArray(value) ? "a list" : "an object";
    throw new ExpressionError(`{{ ${text} }} is ${what}, which cannot stand within a text`, {
      hint:
        value === null
          ? "Say what stands there instead, as in {{ get(event.payload, 'name', '') }}"
          : "Write it as JSON by {{ json(…) }}",
    });
  }
  return String(value);
}

function findTextFaults(text: string, path: string, scope: Scope, isForShell: boolean): Fault[] {
  try {
    return splitTemplate(text).flatMap((part) => {
      if ("expression" in part) return findExpressionFaults(part.expression, path, scope, text.slice(0, part.offset));
      const variable = /\$\{[^}]*\}?/.exec(part.literal)?.[0];
      if (variable === undefined || isForShell) return [];
      return [
        {
          path,
          message: `${preview(variable)} would be sent as it is written: use {{ secret.NAME }} for a secret, and {{ '\${' }} where these characters are meant`,
        },
      ];
    });
  } catch (error) {
    if (!(error instanceof UnclosedError)) throw error;
    return [{ path, message: `at ${positionOf(text, error.offset)}: ${error.message}` }];
  }
}
