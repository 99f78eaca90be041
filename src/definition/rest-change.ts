/** What REST makes of a definition: a new one, or some top-level keys of one, each replaced whole. Pure. */

import { checkRunAt, parseRunAt } from "../calendar/run-at.ts";
import { preview } from "../json/faults.ts";
import { isFields } from "../json/fields.ts";
import { withoutReadOnly } from "../json/read-only.ts";
import { type Fault, InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { rulesOverRest, type TaskRules } from "../task/task-type.ts";
import { type DefinitionBody, STORED_FIELDS } from "./schema.ts";
import { type DefinitionChange, REST_SOURCE, type StoredDefinition } from "./store.ts";
import { parseDefinition } from "./validate.ts";

/** @throws InvalidInputError `invalid_definition` with every fault; a one-shot's time that is past is one */
export function parseNewDefinition(input: unknown, now: Date, rules: TaskRules): DefinitionBody {
  const body = parseDefinition(input, rulesOverRest(rules));
  requireFuture(body, now);
  return body;
}

/**
 * @throws InvalidInputError `invalid_definition` with every fault; TerminalError `definition_from_file`: only `enabled`
 *   of a file's definition can be changed, as an override that `enabled: null` lifts; `definition_retired`: one whose
 *   document is gone cannot be enabled
 */
export function applyChange(
  { definition, body }: StoredDefinition,
  input: unknown,
  now: Date,
  rules: TaskRules,
): DefinitionChange {
  if (!isFields(input)) throw invalid([{ path: "/", message: "expected an object" }]);
  const { changed, faults } = withoutReadOnly(input, definition, STORED_FIELDS);
  if (faults.length > 0) throw invalid(faults);
  // How it stands with `expect` changes by itself, so that what was read is no claim.
  delete changed.expectation;
  // A client that sends the whole object back as it read it means no override by the `enabled` in it.
  if ("enabled_override" in input && input.enabled === definition.enabled) delete changed.enabled;

  if (definition.source !== REST_SOURCE) return overrideEnabled({ definition, body }, changed);
  const { trigger_type: _, ...before } = body;
  const after: Record<string, unknown> = { ...before, ...changed };
  const kept = Object.entries(before).flatMap(([key, value]) => (Bun.deepEquals(after[key], value) ? [key] : []));
  const next = parseDefinition(after, rulesOverRest(rules), kept);
  // A one-shot that has fired stays valid, whatever else is changed: only a new time has to come.
  if (runAtOf(next) !== runAtOf(body)) requireFuture(next, now);
  return { body: next, enabled_override: null };
}

function runAtOf({ trigger_config: trigger }: DefinitionBody): number | undefined {
  return trigger.trigger_type === "scheduled" ? parseRunAt(trigger)?.getTime() : undefined;
}

function requireFuture({ trigger_config }: DefinitionBody, now: Date): void {
  const fault = checkRunAt(trigger_config, now);
  if (fault !== undefined) throw new InvalidInputError("the definition is not valid", [fault], "invalid_definition");
}

function overrideEnabled({ definition, body }: StoredDefinition, changed: Record<string, unknown>): DefinitionChange {
  const others = Object.keys(changed).filter(
    (key) => key !== "enabled" && !Bun.deepEquals(changed[key], definition[key as "name"]),
  );
  if (others.length > 0)
    throw new TerminalError(
      "definition_from_file",
      `${definition.name} comes from ${definition.source}: ${others.join(", ")} can only be changed there`,
      { hint: "change the file and sync; over REST only `enabled` can be overridden" },
    );
  const { enabled } = changed;
  if (enabled !== undefined && enabled !== null && typeof enabled !== "boolean")
    throw invalid([{ path: "/enabled", message: `expected true, false or null, received ${preview(enabled)}` }]);
  // It would change nothing: what is retired stays disabled, whatever an override says.
  if (enabled === true && definition.retired_at !== null)
    throw new TerminalError(
      "definition_retired",
      `${definition.name} is retired: its document is not in ${definition.source} any more`,
      { hint: "put its document back and sync, which revives it" },
    );
  return { body, enabled_override: enabled === undefined ? definition.enabled_override : enabled };
}

function invalid(faults: Fault[]): InvalidInputError {
  return new InvalidInputError("the change is not valid", faults, "invalid_definition");
}
