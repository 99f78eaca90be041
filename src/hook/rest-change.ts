/** What REST makes of a hook: some top-level keys of one, each replaced whole. Pure. */
import { REST_SOURCE } from "../definition/store.ts";
import { isFields } from "../json/fields.ts";
import { withoutReadOnly } from "../json/read-only.ts";
import { type Fault, InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { type HookView, STORED_HOOK_FIELDS } from "./hook-store.ts";
import { type HookBody, parseHook } from "./schema.ts";

/**
 * `null` takes an optional key away.
 * @throws InvalidInputError `invalid_hook` with every fault; TerminalError `hook_from_file`
 */
export function applyHookChange(stored: HookView, input: unknown): HookBody {
  if (!isFields(input)) throw invalid([{ path: "/", message: "expected an object" }]);
  const { changed, faults } = withoutReadOnly(input, stored, STORED_HOOK_FIELDS);
  if (faults.length > 0) throw invalid(faults);
  const { changed: before } = withoutReadOnly(stored, stored, STORED_HOOK_FIELDS);
  const after = { ...before, ...changed };
  if (!Bun.deepEquals(after, before)) requireOfRest(stored);
  return parseHook(Object.fromEntries(Object.entries(after).filter(([, value]) => value !== null)));
}

/** @throws TerminalError `hook_from_file` */
export function requireOfRest({ name, source }: Pick<HookView, "name" | "source">): void {
  if (source === REST_SOURCE) return;
  throw new TerminalError("hook_from_file", `${name} comes from ${source}: it can only be changed or removed there`, {
    hint: "change or remove its document, and sync",
  });
}

function invalid(faults: Fault[]): InvalidInputError {
  return new InvalidInputError("the change is not valid", faults, "invalid_hook");
}
