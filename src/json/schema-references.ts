/**
 * How much a JSON Schema asks for by its references: each is followed anew wherever it stands, so that a few lines, of
 * which each refers to the next one twice, ask for more than any value is worth.
 */
import type { Fault } from "../kernel/errors.ts";
import { pointTo, valueAt } from "./pointer.ts";

type Schema = Record<string, unknown>;

/** References that may be followed for one part of a value. */
const MAX_FOLLOWED = 10_000;
const ROOT = "schema:/";

/** Keywords whose schemas are for the same part of a value as the one that they stand in. */
const SAME_PART = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/** Those that are for any part within it. */
const EVERY_PART = [
  "additionalProperties",
  "unevaluatedProperties",
  "propertyNames",
  "items",
  "unevaluatedItems",
  "contains",
];
/** Those that have schemas by name. */
const BY_NAME = ["dependentSchemas", "patternProperties"];
const REFERENCES = ["$ref", "$dynamicRef"];

/** The first schema for whose references too many would be followed. Those that lead nowhere, or round, are not its. */
export function findReferenceFault(schema: Schema, path: string): Fault | undefined {
  const { places, targets } = index(schema, path);
  const counts = new Map<object, number>();
  let fault: Fault | undefined;

  const sum = (schemas: readonly unknown[]) => schemas.reduce<number>((total, each) => total + count(each), 0);
  const most = (schemas: readonly unknown[]) => schemas.reduce<number>((top, each) => Math.max(top, count(each)), 0);
  /** An upper bound. A schema that leads back to itself is counted without the second round. */
  const count = (schema: unknown): number => {
    if (!isObject(schema) || fault !== undefined) return 0;
    const known = counts.get(schema);
    if (known !== undefined) return known;
    counts.set(schema, 0);
    const followed = REFERENCES.map((keyword) => targets(schema, schema[keyword])).filter(isObject);
    const total =
      followed.length +
      sum(followed) +
      sum([...SAME_PART, ...EVERY_PART].flatMap((keyword) => schema[keyword] ?? [])) +
      sum(BY_NAME.flatMap((keyword) => valuesOf(schema[keyword]))) +
      most(valuesOf(schema.properties)) +
      most(valuesOf(schema.prefixItems));
    if (total > MAX_FOLLOWED && fault === undefined) {
      const message = `its references lead on to more than ${MAX_FOLLOWED} others for one value`;
      fault = { path: places.get(schema)?.path ?? path, message };
    }
    counts.set(schema, total);
    return total;
  };
  count(schema);
  return fault;
}

interface Place {
  path: string;
  /** The URI that its references begin at. */
  base: string;
}

/** Where everything in a schema stands, and what a reference in it means; undefined: nothing that is in it. */
function index(root: Schema, path: string) {
  const places = new Map<object, Place>();
  const named = new Map<string, unknown>([[ROOT, root]]);
  const note = (value: unknown, place: Place): void => {
    if (!isObject(value) || places.has(value)) return;
    const base = resolve(value.$id, place.base)?.replace(/#$/, "") ?? place.base;
    places.set(value, { path: place.path, base });
    const anchors = [value.$anchor, value.$dynamicAnchor].filter((anchor) => typeof anchor === "string");
    for (const name of [base, ...anchors.map((anchor) => `${base}#${anchor}`)])
      if (!named.has(name)) named.set(name, value);
    for (const [key, inner] of Object.entries(value)) note(inner, { path: pointTo(place.path, key), base });
  };
  note(root, { path, base: ROOT });

  const targets = (schema: object, reference: unknown): unknown => {
    const uri = resolve(reference, places.get(schema)?.base ?? ROOT);
    if (uri === undefined) return undefined;
    const [resource = "", fragment = ""] = uri.split("#");
    if (!fragment.startsWith("/")) return named.get(fragment === "" ? resource : uri);
    // As Ajv reads it: a `%2F` is a part of its key.
    return valueAt(named.get(resource), fragment, decode);
  };
  return { places, targets };
}

function resolve(reference: unknown, base: string): string | undefined {
  return typeof reference === "string" ? URL.parse(reference, base)?.href : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function valuesOf(value: unknown): unknown[] {
  return isObject(value) ? Object.values(value) : [];
}

/** A list counts as an object here, because a pointer leads through it. */
function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null;
}
