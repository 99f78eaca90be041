/**
 * What an evaluation may cost, so that none holds the event loop for long, whatever it is given.
 *
 * The unit is what one call of a function costs, some tenth of a microsecond. Each call and each round of a loop spends it,
 * and so does each operation by the size of what it works on. So the result depends on the values alone, and not on how busy
 * the machine is. The processor time of this thread is a second bound, for what costs more than its units say.
 */
import { ExpressionError } from "./expression-error.ts";

const MAX_UNITS = 600_000;
const MAX_US = 150_000;
/** How often the time is read, in units. */
const LOOK_UNITS = 1_000;

/** Evaluations are synchronous, so that the budget of the current one can stand here. */
let isRunning = false;
let left = 0;
let nextLook = 0;
let startedAt = 0;
let isExhausted = false;

/**
 * What is evaluated within shares one budget, also where it calls this itself.
 * @throws ExpressionError where more is needed, whatever the expression made of that itself
 */
export function withinBudget<T>(evaluate: () => T): T {
  if (isRunning) return unlessExhausted(evaluate());
  isRunning = true;
  isExhausted = false;
  left = MAX_UNITS;
  nextLook = MAX_UNITS - LOOK_UNITS;
  startedAt = threadTime();
  try {
    return unlessExhausted(evaluate());
  } finally {
    isRunning = false;
  }
}

/** @throws ExpressionError when nothing is left, and at every call from then on */
export function spend(units: number): void {
  left -= units;
  if (left < nextLook) checkTime();
  if (isExhausted) throw exhausted();
}

function unlessExhausted<T>(result: T): T {
  if (isExhausted) throw exhausted();
  return result;
}

function checkTime(): void {
  nextLook = left - LOOK_UNITS;
  isExhausted ||= left < 0 || threadTime() - startedAt > MAX_US;
}

function exhausted(): ExpressionError {
  return new ExpressionError("the evaluation takes too long", {
    hint: "Loop over fewer items, or work on shorter texts",
  });
}

/** Microseconds for which this thread was at work. */
function threadTime(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
