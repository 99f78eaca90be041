/** What a REST change makes of a definition: some top-level keys, each replaced whole. Pure. */
import { type Fault, InvalidInputError, TerminalError } from "../errors.ts";
import { preview } from "./faults.ts";
import { type DefinitionChange, REST_SOURCE, type StoredDefinition } from "./store.ts";
import { isFields, parseDefinition } from "./validate.ts";

/** Kept by the store. A client may send them back as it got them. */
const READ_ONLY = ["id", "enabled_override", "version", "source", "retired_at", "created_at", "updated_at"] as const;

/**
 * @throws InvalidInputError `invalid_definition` with every fault; TerminalError `definition_from_file`: only `enabled`
 *   of a file's definition can be changed, as an override that `enabled: null` lifts
 */
export function applyChange({ definition, body }: StoredDefinition, input: unknown): DefinitionChange {
  if (!isFields(input))
    throw new InvalidInputError(
      "the change is not valid",
      [{ path: "/", message: "expected an object" }],
      "invalid_definition",
    );
  const readOnly = READ_ONLY.filter((key) => key in input);
  const faults = readOnly
    .filter((key) => !Bun.deepEquals(input[key], definition[key]))
    .map((key): Fault => ({ path: `/${key}`, message: `is ${preview(definition[key])} and cannot be changed` }));
  if (faults.length > 0) throw new InvalidInputError("the change is not valid", faults, "invalid_definition");
  // Who sends back the whole object as read says nothing of `enabled` that would be an override.
  const isEcho = "enabled_override" in input && input.enabled === definition.enabled;
  const ignored: readonly string[] = isEcho ? [...readOnly, "enabled"] : readOnly;
  const changed = Object.fromEntries(Object.entries(input).filter(([key]) => !ignored.includes(key)));

  if (definition.source !== REST_SOURCE) return overrideEnabled({ definition, body }, changed);
  const { trigger_type: _, ...kept } = body;
  return { body: parseDefinition({ ...kept, ...changed }), enabled_override: null };
}

function overrideEnabled({ definition, body }: StoredDefinition, changed: Record<string, unknown>): DefinitionChange {
  const others = Object.keys(changed).filter(
    (key) => key !== "enabled" && !Bun.deepEquals(changed[key], definition[key as "name"]),
  );
  if (others.length > 0)
    throw new TerminalError(
      "definition_from_file",
      `${definition.name} comes from ${definition.source}: ${others.join(", ")} can only be changed there`,
      {
        hint: "change the file and sync; over REST only `enabled` can be overridden",
      },
    );
  const { enabled } = changed;
  if (enabled !== undefined && enabled !== null && typeof enabled !== "boolean")
    throw new InvalidInputError(
      "the change is not valid",
      [{ path: "/enabled", message: `expected true, false or null, received ${preview(enabled)}` }],
      "invalid_definition",
    );
  return { body, enabled_override: enabled === undefined ? definition.enabled_override : enabled };
}
