/**
 * `matches()`: regular expressions of RE2, which take a time linear in the text. The factor can be large, so that each step
 * is paid for, and a pattern that repeats too much is refused.
 */
import { CelScalar, celMethod } from "@bufbuild/cel";
import { RE2JS } from "@bufbuild/re2";
import { createRecentlyUsed } from "../../kernel/recently-used.ts";
import { spend } from "../budget.ts";
import { ExpressionError } from "../expression-error.ts";

const { BOOL, STRING } = CelScalar;

const MAX_PATTERN = 500;
/** Characters of the pattern, those that are repeated by number counted as often. */
const MAX_STEPS = 2_000;
/** A class of Unicode takes milliseconds to compile. */
const MAX_CLASSES = 3;
/** Of one pattern; it keeps what it found out about texts, up to about a megabyte. */
const MAX_STATES = 500;
const MAX_KEPT = 100;

const kept = createRecentlyUsed<RE2JS>(MAX_KEPT);

export const patternFunctions = [
  celMethod("matches", STRING, [STRING], BOOL, function (pattern) {
    return compilePattern(pattern).test(this);
  }),
];

/** @throws ExpressionError where it is no regular expression, or takes too long */
export function compilePattern(pattern: string): RE2JS {
  return kept.get(pattern) ?? kept.put(pattern, metered(compile(pattern)));
}

function compile(pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN)
    throw new ExpressionError(
      `a pattern of ${pattern.length} characters is too long: at most ${MAX_PATTERN} are taken`,
    );
  const steps = countSteps(pattern);
  const classes = pattern.match(/\\[pP]/g)?.length ?? 0;
  if (steps > MAX_STEPS || classes > MAX_CLASSES)
    throw new ExpressionError(
      `the pattern ${pattern} is too large: at most ${MAX_STEPS} steps, repetitions counted, and ${MAX_CLASSES} of \\p are taken`,
    );
  spend(steps * 20 + classes * 50_000);
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new ExpressionError(`${pattern} is no regular expression: ${(error as Error).message}`);
  }
}

/**
 * The library's automaton makes a state for what it has not met, and answers from its states otherwise. Making them is what
 * takes time; where it gives up because there are too many, it would go on much more slowly.
 */
function metered(compiled: RE2JS): RE2JS {
  const re2 = compiled.re2() as unknown as { dfa: Automaton; _nfaFallback: () => never };
  const { dfa } = re2;
  const step = dfa.step.bind(dfa);
  const resolveEmptyWidth = dfa.resolveEmptyWidth.bind(dfa);
  dfa.stateLimit = MAX_STATES;
  dfa.step = (state, ...rest) => {
    spend(2 + state.nfaStates.length * 2);
    return step(state, ...rest);
  };
  dfa.resolveEmptyWidth = (states, context) => {
    spend(2 + states.length * 2);
    return resolveEmptyWidth(states, context);
  };
  re2._nfaFallback = () => {
    throw new ExpressionError(`the pattern ${compiled.pattern()} is too intricate for this text`);
  };
  return compiled;
}

interface Automaton {
  stateLimit: number;
  step(state: { nfaStates: Int32Array }, ...rest: unknown[]): unknown;
  resolveEmptyWidth(states: Int32Array, context: number): unknown;
}

const PART = /\\.|\[\^?\]?(?:\\.|[^\]])*\]|\{(\d+)(?:,(\d*))?\}|[\s\S]/g;

function countSteps(pattern: string): number {
  /** By open group: the steps before its last part, and those of its last part. */
  const groups = [{ before: 0, last: 0 }];
  for (const [part, min, max] of pattern.matchAll(PART)) {
    const group = groups.at(-1) as { before: number; last: number };
    if (min !== undefined) group.last *= Math.max(1, Number(min), Number(max || 0));
    else if (part === "(") groups.push({ before: 0, last: 0 });
    else if (part === ")" && groups.length > 1) {
      const { before, last } = groups.pop() as { before: number; last: number };
      const outer = groups.at(-1) as { before: number; last: number };
      outer.before += outer.last;
      outer.last = before + last + 2;
    } else {
      group.before += group.last;
      group.last = 1;
    }
  }
  return groups.reduce((steps, { before, last }) => steps + before + last, 0);
}
