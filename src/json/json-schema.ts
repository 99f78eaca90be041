/**
 * JSON Schema (draft 2020-12) of what others send: whether a schema can be used, and what a value has against it.
 *
 * Whoever may write definitions is trusted with them: a pattern is a backtracking regular expression, and a schema may ask
 * for much work, though not for what doubles with every reference. What is bounded is what strangers bring: values come
 * with a size and a depth, two equal items are found in time that grows with their number, and faults are collected to a
 * bound. Nothing is ever fetched.
 */
import { Ajv2020, type ErrorObject, type Options, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describeError, type Fault } from "../kernel/errors.ts";
import { once } from "../kernel/once.ts";
import { addExactKeywords, standIn } from "./exact-schema.ts";
import { preview } from "./faults.ts";
import { pointTo, valueAt } from "./pointer.ts";
import { findReferenceFault } from "./schema-references.ts";

export type JsonSchema = Record<string, unknown>;
/** Every fault of a value, up to a bound; none when it conforms. */
export type Check = (value: unknown) => Fault[];

/** Characters of a schema as JSON. */
const MAX_SCHEMA_LENGTH = 65_536;
const MAX_FAULTS = 50;
/** Characters of a text that may have a format: of a longer one some take half a second, and give a wrong answer. */
const MAX_FORMATTED = 50_000;
/** Values of a payload up to which all its faults are collected; of a larger one, the first. */
const MAX_VALUES_FOR_ALL = 10_000;
/** Keywords behind which there are values, not schemas. */
const VALUES = ["const", "enum", "default", "examples"];
const DRAFT = "https://json-schema.org/draft/2020-12/schema";
/** A schema that refers to itself without end does so for any of these. */
const PROBES = [null, true, 0, "", [], [null], {}, { a: null }];

/** The faults of a value that stands at `path` in another one. */
export function atPath(path: string, faults: readonly Fault[]): Fault[] {
  return faults.map((fault) => ({ ...fault, path: fault.path === "/" ? path : path + fault.path }));
}

/** Every reason why the schema cannot be used; `enforced` where it is to refuse values. */
export function findSchemaFaults(schema: JsonSchema, path: string, enforced: boolean): Fault[] {
  const { length } = JSON.stringify(schema);
  if (length > MAX_SCHEMA_LENGTH)
    return [{ path, message: `has ${length} characters as JSON, more than ${MAX_SCHEMA_LENGTH}` }];
  const { $schema = DRAFT } = schema;
  if (typeof $schema !== "string" || $schema.replace(/#$/, "") !== DRAFT)
    return [{ path: `${path}/$schema`, message: `expected ${DRAFT}, received ${preview($schema)}` }];
  const wrong = findMetaFaults(schema, path);
  if (wrong.length > 0) return wrong;

  const unknown: Fault[] = [];
  const onUnknownFormat = (warning: string) => {
    const [, format, fragment = ""] = /^unknown format (".*") ignored in schema at path "#(.*)"$/.exec(warning) ?? [];
    const at = path + decodeURIComponent(fragment);
    if (format !== undefined && unknown.every((fault) => fault.path !== at))
      unknown.push({ path: at, message: `${format} is no known format, so that nothing would be checked` });
  };
  try {
    const excess = findReferenceFault(schema, path);
    if (excess !== undefined) return [excess];
    const validate = compile(createAjv({ logger: { log() {}, error() {}, warn: onUnknownFormat } }), schema);
    if ("$async" in validate) return [{ path: `${path}/$async`, message: "is no keyword of JSON Schema" }];
    for (const probe of PROBES) validate(probe);
  } catch (error) {
    return [{ path, message: explain(error) }];
  }
  return enforced ? unknown : [];
}

/**
 * A check of values against a schema that `findSchemaFaults` has found nothing against. It never throws: by a schema
 * that another release took, or a rollback put back, every value has a fault.
 */
export function compileCheck(schema: JsonSchema): Check {
  let isValid: ValidateFunction | undefined;
  let all: ValidateFunction | undefined;
  return (value) => {
    try {
      isValid ??= compile(shared.first(), schema);
      const checked = standIn(value);
      if (isValid(...checked)) return [];
      if (!isWithin(value, MAX_VALUES_FOR_ALL)) return toFaults(isValid.errors, value);
      all ??= compile(shared.all(), schema);
      all(...checked);
      return toFaults(all.errors, value);
    } catch (error) {
      return [{ path: "/", message: `cannot be checked: ${explain(error)}` }];
    }
  };
}

const OPTIONS = {
  strict: false,
  // Its schemas are checked before, by another instance.
  meta: false,
  validateSchema: false,
  // `required: [constructor]` is not met by what every object inherits.
  ownProperties: true,
  logger: false,
} as const satisfies Options;

function createAjv(options: Options): Ajv2020 {
  const ajv = new Ajv2020({ ...OPTIONS, ...options });
  addFormats.default(ajv);
  for (const [name, format] of Object.entries(ajv.formats)) {
    const test = format instanceof RegExp ? (text: string) => format.test(text) : format;
    // Texts in Base64 are long, and checking them takes no time.
    if (typeof test === "function" && name !== "byte")
      ajv.addFormat(name, (text: string) => text.length <= MAX_FORMATTED && test(text) === true);
  }
  addExactKeywords(ajv);
  return ajv;
}

/** Made when they are first needed: most processes never meet a schema. */
const shared = {
  meta: once(() => {
    const ajv = new Ajv2020({ strict: false, allErrors: true, verbose: true, logger: false });
    addFormats.default(ajv);
    return ajv;
  }),
  first: once(() => createAjv({ verbose: true })),
  all: once(() => createAjv({ allErrors: true, verbose: true })),
};

function compile(ajv: Ajv2020, schema: JsonSchema): ValidateFunction {
  try {
    return ajv.compile(schema);
  } finally {
    // It keeps what it compiled for ever, by the schema and by each $id in it, which another schema may have too.
    ajv.removeSchema();
  }
}

function findMetaFaults(schema: JsonSchema, path: string): Fault[] {
  const ajv = shared.meta();
  const { $schema: _, ...plain } = schema;
  if (ajv.validateSchema(standIn(plain)[0] as JsonSchema) !== true) return toFaults(ajv.errors, plain, path);
  return findPatternFaults(schema, path);
}

/** What is wrong with every text under `pattern` and every key under `patternProperties`, which the draft calls no more than a format. */
function findPatternFaults(value: unknown, path: string): Fault[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (VALUES.includes(key)) return [];
    const at = pointTo(path, key);
    const patterns = key === "pattern" ? [inner] : key === "patternProperties" ? Object.keys(inner ?? {}) : [];
    const wrong = patterns.flatMap((pattern) => (typeof pattern === "string" ? findPatternFault(pattern) : []));
    return [...wrong.map((message) => ({ path: at, message })), ...findPatternFaults(inner, at)];
  });
}

function findPatternFault(pattern: string): string[] {
  try {
    new RegExp(pattern, "u");
    return [];
  } catch (error) {
    return [`${preview(pattern)} is no regular expression: ${describeError(error)}`];
  }
}

function toFaults(errors: readonly ErrorObject[] | null | undefined, root: unknown, prefix = ""): Fault[] {
  const faults = new Map<string, Fault>();
  for (const error of errors ?? []) {
    if (faults.size >= MAX_FAULTS) break;
    const path = prefix + pathOf(error) || "/";
    // The first word of a place is the clearest: what follows speaks of the branches that it failed.
    if (!faults.has(path)) faults.set(path, { path, message: describe(error, root) });
  }
  return [...faults.values()];
}

function pathOf({ instancePath, params }: ErrorObject): string {
  const child = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  return typeof child === "string" ? pointTo(instancePath, child) : instancePath;
}

function describe({ keyword, params, message = keyword, data, instancePath }: ErrorObject, root: unknown): string {
  if (keyword === "required") return "is required";
  if (keyword === "additionalProperties" || keyword === "unevaluatedProperties") return "unknown field";
  const allowed = params.allowedValues ?? params.allowedValue;
  // A number of the data may stand in for one that Ajv does not know.
  const value = typeof data === "number" ? valueAt(root, instancePath) : data;
  const shape = Array.isArray(data) ? `a list of ${data.length}` : "an object";
  const received = typeof data === "object" && data !== null ? shape : preview(value);
  return `${message}${allowed === undefined ? "" : `: ${preview(allowed)}`}, received ${received}`;
}

function explain(error: unknown): string {
  if (error instanceof RangeError) return "refers to itself without end";
  const { missingRef } = error as { missingRef?: string };
  if (missingRef !== undefined) return `refers to ${missingRef}, which is not in it: nothing is fetched`;
  return describeError(error);
}

/** Whether it consists of no more than `limit` values. */
function isWithin(value: unknown, limit: number): boolean {
  let left = limit;
  const count = (inner: unknown): boolean =>
    --left >= 0 && (typeof inner !== "object" || inner === null || Object.values(inner).every(count));
  return count(value);
}
