/** Why a condition holds or does not: the values that it read, its text, and what came of it. */
import { preview } from "../json/faults.ts";
import type { Path } from "./paths.ts";
import { measure } from "./results.ts";
import type { Values } from "./scope.ts";

const MAX_VALUES = 5;
const MAX_LENGTH = 500;

/** Such as `payload.seats is 2: event.payload.seats > 3 is false`. */
export function explain(text: string, paths: readonly Path[], values: Values, result: boolean): string {
  const judgement = `${shorten(text)} is ${result}`;
  const facts = describeValues(paths, values);
  return facts === "" || facts === judgement
    ? judgement
    : `${shorten(facts, MAX_LENGTH - judgement.length - 2)}: ${judgement}`;
}

/** What stands at the paths: `payload.seats is 2, payload.tier is missing`. Secrets are left out. */
export function describeValues(paths: readonly Path[], values: Values): string {
  const said = new Map<string, string>();
  for (const path of paths) {
    if (path.root === "secret" || said.size >= MAX_VALUES) continue;
    const name = nameOf(path.root, path.keys);
    if (!said.has(name)) said.set(name, `${name} is ${describeValue(valueUnder(path, values))}`);
  }
  return [...said.values()].join(", ");
}

/** A text that is short enough to stand beside others. */
export function shorten(text: string, length = MAX_LENGTH / 2): string {
  return text.length > length ? `${text.slice(0, length - 3).toWellFormed()}...` : text;
}

/** What stands at the path; undefined where nothing does. */
export function valueUnder({ root, keys }: Pick<Path, "root" | "keys">, values: Values): unknown {
  return [root, ...keys].reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string | number, unknown>)[key]
        : undefined,
    values,
  );
}

/** A value in a few words; a large one is not written out, since that takes milliseconds. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return preview(value.slice(0, MAX_LENGTH));
  if (isShort(value)) return preview(value);
  return Array.isArray(value)
    ? `a list of ${value.length} items`
    : `an object of ${Object.keys(value as object).length} keys`;
}

function isShort(value: unknown): boolean {
  try {
    measure(value, { left: MAX_LENGTH });
    return true;
  } catch {
    return false;
  }
}

/** The path as an expression writes it; before the payload of the event, `event.` is left out. */
function nameOf(root: string, keys: Path["keys"]): string {
  return root === "event" && keys[0] === "payload" ? writePath("payload", keys.slice(1)) : writePath(root, keys);
}

/** The path as an expression writes it, such as `event.payload["mail.work"][0]`. */
export function writePath(root: string, keys: Path["keys"]): string {
  const written = keys.map((key) => {
    if (typeof key === "number") return `[${key}]`;
    return /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  });
  return [root, ...written].join("");
}
