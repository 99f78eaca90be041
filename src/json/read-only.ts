/** Fields that only the store sets, in a change that a client asks for. */
import type { Fault } from "../kernel/errors.ts";
import { preview } from "./faults.ts";
import type { Fields } from "./fields.ts";

/**
 * What a change says besides the fields that only the store sets. A client may send these back as it read them; a fault for
 * each that says something else.
 */
export function withoutReadOnly(
  change: Fields,
  stored: Fields,
  readOnly: readonly string[],
): { changed: Fields; faults: Fault[] } {
  const faults = readOnly
    .filter((key) => key in change && !Bun.deepEquals(change[key], stored[key]))
    .map((key) => ({ path: `/${key}`, message: `is ${preview(stored[key])} and cannot be changed` }));
  return { changed: Object.fromEntries(Object.entries(change).filter(([key]) => !readOnly.includes(key))), faults };
}
