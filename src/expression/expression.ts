/**
 * Expressions: conditions such as `event.payload.seats > 3`, and what stands in the {{ }} of a template. The language is
 * CEL. An expression is a function of the values that it is given: it reads nothing else, and changes nothing.
 */
import { type CelInput, type CelResult, isCelError, plan } from "@bufbuild/cel";
import type { Fault } from "../kernel/errors.ts";
import { once } from "../kernel/once.ts";
import { createRecentlyUsed } from "../kernel/recently-used.ts";
import { withinBudget } from "./budget.ts";
import { environment, toActivation } from "./environment.ts";
import { describeValue, explain, shorten } from "./explanation.ts";
import { ExpressionError } from "./expression-error.ts";
import { toExpressionError } from "./failure.ts";
import { meter } from "./metered.ts";
import { findMistakes } from "./mistakes.ts";
import { findPaths, type Path, readsOf } from "./paths.ts";
import { toJsonValue } from "./results.ts";
import type { Reads, Scope, Values } from "./scope.ts";
import { parseExpression, positionOf, type Syntax } from "./syntax.ts";
import { SyntaxFault } from "./tokens.ts";

export interface Expression {
  readonly text: string;
  /** What it reads. @throws ExpressionError where the text is not valid */
  readonly reads: Reads;
  /** The paths by which it reads. @throws ExpressionError where the text is not valid */
  readonly paths: readonly Path[];
  /** The result as JSON. @throws ExpressionError */
  evaluate(values: Values): unknown;
}

export interface Condition {
  holds: boolean;
  /** Such as `payload.seats is 2: event.payload.seats > 3 is false`. */
  explanation: string;
}

/** Many more than a router with 10,000 conditions has; some kilobytes each. */
const kept = createRecentlyUsed<Expression>(20_000);
/** Those whose text is longer than `LONG`, each of which may take a megabyte. */
const longKept = createRecentlyUsed<Expression>(100);
const LONG = 500;

/**
 * Cheap: the text is parsed at the first use, and what was parsed is kept, by text and scope, as long as it is among those
 * used last. Where the text is not valid, its use throws ExpressionError.
 */
export function compileExpression(text: string, scope: Scope): Expression {
  return keep(`${JSON.stringify([scope.roots, scope.names])}${text}`, text, scope);
}

/** As `compileExpression`, for a text that was checked when it was stored: it may read any root. */
export function compileChecked(text: string): Expression {
  return keep(text, text);
}

/**
 * The faults of a text that is to be stored at `path`, each with its position; `before` is what stands before the expression
 * in its text.
 */
export function findExpressionFaults(text: string, path: string, scope: Scope, before = ""): Fault[] {
  return findTextMistakes(text, scope, before).map((message) => ({ path: path || "/", message }));
}

/** @throws ExpressionError, also where the result is neither true nor false */
export function checkCondition(expression: Expression, values: Values): Condition {
  const { text, paths } = expression;
  const holds = expression.evaluate(values);
  if (typeof holds !== "boolean")
    throw new ExpressionError(`${shorten(text)} is neither true nor false: it is ${describeValue(holds)}`, {
      hint: "Compare it with something, as in … == …, so that it is a condition",
    });
  return { holds, explanation: explain(text, paths, values, holds) };
}

function keep(key: string, text: string, scope?: Scope): Expression {
  const cache = text.length > LONG ? longKept : kept;
  return cache.get(key) ?? cache.put(key, create(text, scope));
}

function create(text: string, scope?: Scope): Expression {
  // The tree is not kept: with its functions it is many times as large as the plan.
  const analyzed = once(() => {
    const syntax = parseOrThrow(text);
    const paths = findPaths(syntax.expr);
    const mistake = scope && findMistakes(syntax, scope)[0];
    return { paths, reads: readsOf(paths), evaluate: planOrRefuse(syntax, mistake) };
  });
  return {
    text,
    get paths() {
      return analyzed().paths;
    },
    get reads() {
      return analyzed().reads;
    },
    evaluate(values) {
      const { reads, paths, evaluate } = analyzed();
      try {
        return withinBudget(() => evaluate(toActivation(reads, values)));
      } catch (error) {
        throw toExpressionError(error, text, paths, values);
      }
    },
  };
}

type Evaluate = (activation: Record<string, CelInput>) => unknown;

function planOrRefuse({ expr }: Syntax, mistake: string | undefined): Evaluate {
  if (mistake !== undefined)
    return () => {
      throw new ExpressionError(mistake);
    };
  meter(expr);
  const evaluate = plan(environment(), expr) as (activation: Record<string, CelInput>) => CelResult;
  return (activation) => {
    const result = evaluate(activation);
    if (isCelError(result)) throw result;
    return toJsonValue(result);
  };
}

function findTextMistakes(text: string, scope: Scope, before: string): string[] {
  try {
    return findMistakes(parseExpression(text), scope, before);
  } catch (error) {
    if (error instanceof SyntaxFault) return [describeFault(text, error, before)];
    throw error;
  }
}

function parseOrThrow(text: string): Syntax {
  try {
    return parseExpression(text);
  } catch (error) {
    throw error instanceof SyntaxFault ? new ExpressionError(`${shorten(text)}: ${describeFault(text, error)}`) : error;
  }
}

function describeFault(text: string, { offset, message }: SyntaxFault, before = ""): string {
  return `at ${positionOf(before + text, before.length + offset)}: ${message}`;
}
