/** How deep JSON from outside may be nested: far above what anybody means, far below what any parser chokes on. */
import type { Fault } from "../kernel/errors.ts";
import { isExactNumber } from "./exact-number.ts";

export const MAX_DEPTH = 100;

export const TOO_DEEP: Fault = { path: "/", message: `is nested deeper than ${MAX_DEPTH} levels` };

/** Whether no more than `depth` objects and lists stand in each other. */
export function isWithinDepth(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== "object" || value === null || isExactNumber(value)) return true;
  if (depth === 0) return false;
  // Every event passes here: no closure, and no call for what is no object.
  for (const inner of Array.isArray(value) ? value : Object.values(value))
    if (typeof inner === "object" && inner !== null && !isWithinDepth(inner, depth - 1)) return false;
  return true;
}
