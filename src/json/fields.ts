/** Objects of JSON, told apart from its lists and from numbers that are kept exactly. */
import { isExactNumber } from "./exact-number.ts";

export type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value);
}
