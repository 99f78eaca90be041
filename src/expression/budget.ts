/**
 * What an evaluation may cost, so that none holds the event loop for long, whatever it is given.
 *
 * The unit is what one call of a function costs, some tenth of a microsecond. Each call and each round of a loop spends it,
 * and so does each operation by the size of what it works on. The result depends on the values alone, and not on how busy
 * the machine is. The clock is a second bound, for operations that cost more than their units say.
 */
import { ExpressionError } from "./expression-error.ts";

const MAX_UNITS = 1_000_000;
const MAX_MS = 150;
/** How often the clock is read, in units. */
const CLOCK_UNITS = 5_000;
/** Before so much is spent the clock decides nothing: it was the machine that took its time. */
const MIN_UNITS = 25_000;

/** Evaluations are synchronous, so that the budget of the current one can stand here. */
let isRunning = false;
let left = 0;
let nextClock = 0;
let startedAt = 0;
let isExhausted = false;

/**
 * What is evaluated within shares one budget, also where it calls this itself.
 * @throws ExpressionError where more is needed, whatever the expression made of that itself
 */
export function withinBudget<T>(evaluate: () => T): T {
  if (isRunning) return evaluate();
  isRunning = true;
  isExhausted = false;
  left = MAX_UNITS;
  nextClock = MAX_UNITS - CLOCK_UNITS;
  startedAt = performance.now();
  try {
    const result = evaluate();
    if (isExhausted) throw exhausted();
    return result;
  } finally {
    isRunning = false;
  }
}

/** @throws ExpressionError when nothing is left, and at every call from then on */
export function spend(units: number): void {
  left -= units;
  if (left < nextClock) checkClock();
  if (isExhausted) throw exhausted();
}

function checkClock(): void {
  nextClock = left - CLOCK_UNITS;
  const isLate = performance.now() - startedAt > MAX_MS && MAX_UNITS - left > MIN_UNITS;
  isExhausted ||= left < 0 || isLate;
}

function exhausted(): ExpressionError {
  return new ExpressionError("the evaluation takes too long", {
    hint: "Loop over fewer items, or work on shorter texts",
  });
}
