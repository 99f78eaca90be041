/**
 * Ids in a path or a query. An activity is named by its UUID, or as `name:` with its name (percent-encoded, as everything in
 * a URL); everything else by its UUID, or by a name of its own. A route says which by the schemas here.
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

/** In a path. */
export const Uuid = Type.String({ format: "uuid", expected: "a UUID" });

/**
 * The values with each UUID in lower case, and with a UUID in place of each activity's name.
 * @throws InvalidInputError `invalid_path` for what is neither; TerminalError `definition_not_found` for a name that no
 *   definition has; what the store throws
 */
export async function resolveIds(
  schema: TObject | undefined,
  values: Readonly<Record<string, unknown>>,
  definitions: () => Pick<DefinitionStore, "findByName">,
): Promise<Record<string, unknown>> {
  const resolved: Record<string, unknown> = { ...values };
  for (const [key, { [MARK]: isActivity, format, expected }] of Object.entries(schema?.properties ?? {})) {
    const value = values[key];
    if (typeof value !== "string" || !(isActivity || format === "uuid")) continue;
    if (isUuid(value)) resolved[key] = value.toLowerCase();
    else if (isActivity && value.startsWith(PREFIX) && value !== PREFIX)
      resolved[key] = await findActivity(value.slice(PREFIX.length), definitions);
    else {
      const message = `expected ${expected}, received ${JSON.stringify(value.slice(0, 80))}`;
      throw new InvalidInputError("the path is not valid", [{ path: `{${key}}`, message }], "invalid_path");
    }
  }
  return resolved;
}

async function findActivity(name: string, definitions: () => Pick<DefinitionStore, "findByName">): Promise<string> {
  const found = isStorable(name) ? await definitions().findByName(name) : undefined;
  if (found !== undefined) return found.definition.id;
  throw new TerminalError("definition_not_found", `no definition has the name ${JSON.stringify(name.slice(0, 200))}`);
}

/** Whether a name or an id may be one that is stored. Postgres could not even look for another one. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
