/**
 * An activity in a path or a query: by its UUID, or as `name:` with its name (percent-encoded, as everything in a URL). A
 * route says that it takes one by the schemas here; http/app.ts puts the UUID in the name's place before the route is asked.
 */
import { type TObject, Type } from "@sinclair/typebox";
import type { DefinitionStore } from "../definition/store.ts";
import { InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";

const PREFIX = "name:";
/** Tells such a value from every other text. */
const MARK = "x-activity";

export const ActivityId = Type.String({
  pattern: "^(name:[\\s\\S]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
  description: "The activity's UUID; or `name:` and its name, such as `name:morning-report`, percent-encoded.",
  expected: "a UUID, or name: and the name of an activity",
  examples: ["name:morning-report"],
  [MARK]: true,
});

/** Of a path `/activity-definitions/:id…`. */
export const ActivityParams = Type.Object({ id: ActivityId });

/**
 * The values with a UUID in place of each activity's name.
 * @throws InvalidInputError `invalid_path` for what is neither; TerminalError `definition_not_found` for a name that no
 *   definition has; what the store throws
 */
export async function resolveActivityNames<T extends Record<string, unknown>>(
  schema: TObject | undefined,
  values: T,
  definitions: () => Pick<DefinitionStore, "findByName">,
): Promise<T> {
  const resolved: Record<string, unknown> = { ...values };
  for (const [key, property] of Object.entries(schema?.properties ?? {})) {
    const value = values[key];
    if (property[MARK] === true && typeof value === "string") resolved[key] = await resolve(key, value, definitions);
  }
  return resolved as T;
}

async function resolve(
  key: string,
  value: string,
  definitions: () => Pick<DefinitionStore, "findByName">,
): Promise<string> {
  if (isUuid(value)) return value;
  if (!value.startsWith(PREFIX) || value === PREFIX) {
    const message = `expected ${ActivityId.expected}, received ${JSON.stringify(value.slice(0, 80))}`;
    throw new InvalidInputError("the path is not valid", [{ path: `{${key}}`, message }], "invalid_path");
  }
  const name = value.slice(PREFIX.length);
  // Such a name is no definition's, and Postgres could not even look for it.
  const isStorable = !name.includes("\0") && name.isWellFormed();
  const found = isStorable ? await definitions().findByName(name) : undefined;
  if (found !== undefined) return found.definition.id;
  throw new TerminalError("definition_not_found", `no definition has the name ${JSON.stringify(name.slice(0, 200))}`);
}
