/** Why a condition holds or does not: the values that it read, its text, and what came of it. */
import { preview } from "../json/faults.ts";
import type { Path } from "./paths.ts";
import type { Values } from "./scope.ts";

const MAX_VALUES = 5;
const MAX_LENGTH = 500;

/** Such as `payload.seats is 2: event.payload.seats > 3 is false`. */
export function explain(text: string, paths: readonly Path[], values: Values, result: boolean): string {
  const said = new Map<string, string>();
  for (const path of paths) {
    if (path.root === "secret" || said.size >= MAX_VALUES) continue;
    const name = nameOf(path);
    if (!said.has(name)) said.set(name, `${name} is ${describe(valueUnder(path, values))}`);
  }
  const judgement = `${shorten(text, MAX_LENGTH / 2)} is ${result}`;
  const facts = [...said.values()].join(", ");
  return facts === "" ? judgement : `${shorten(facts, MAX_LENGTH - judgement.length - 2)}: ${judgement}`;
}

/** What stands at the path; undefined where nothing does. */
export function valueUnder({ root, keys }: Path, values: Values): unknown {
  return [root, ...keys].reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string | number, unknown>)[key]
        : undefined,
    values,
  );
}

function describe(value: unknown): string {
  return value === undefined ? "missing" : preview(value);
}

function nameOf({ root, keys }: Path): string {
  const names = root === "event" && keys[0] === "payload" ? keys : [root, ...keys];
  return names
    .map((name, index) => {
      if (typeof name === "number") return `[${name}]`;
      if (/^[A-Za-z_]\w*$/.test(name)) return index === 0 ? name : `.${name}`;
      return `[${JSON.stringify(name)}]`;
    })
    .join("");
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 3).toWellFormed()}...` : text;
}
