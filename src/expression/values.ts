/**
 * JSON → the values of CEL, and back. A number of JSON is a double, as in CEL; one that a double would change is an int
 * where 64 bits keep it, and else an opaque value that can be passed on and compared.
 */
import { type CelInput, type CelMap, celList, celMap, isCelList, isCelMap, isCelUint } from "@bufbuild/cel";
import { create, createFileRegistry, fromJson, toJson } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import {
  type Duration,
  DurationSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  type Timestamp,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt";
import { type ExactNumber, isExactNumber, readNumber } from "../json/exact-number.ts";
import { ExpressionError } from "./expression-error.ts";

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);

/** Carries an ExactNumber, by its text, through an expression: CEL has no number that could. */
export const numberRegistry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: "number.proto",
    syntax: "proto3",
    messageType: [
      {
        name: "number",
        field: [
          {
            name: "text",
            number: 1,
            type: FieldDescriptorProto_Type.STRING,
            label: FieldDescriptorProto_Label.OPTIONAL,
          },
        ],
      },
    ],
  }),
  () => undefined,
);
const NumberSchema = numberRegistry.getMessage("number") as NonNullable<ReturnType<typeof numberRegistry.getMessage>>;

/** What a list or a map of CEL was made of. */
const sources = new WeakMap<object, object>();

/** `timestamps` are the keys of an object whose texts are RFC 3339 times and become timestamps. */
export function toCelInput(value: unknown, timestamps: ReadonlySet<string> = NONE): CelInput {
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value !== "object" || value === null) return null;
  if (isExactNumber(value)) return toCelNumber(value);
  const made = Array.isArray(value)
    ? celList(value.map((item) => toCelInput(item)))
    : celMap(new JsonMap(value as Record<string, unknown>, timestamps));
  sources.set(made, value);
  return made;
}

/** A time as RFC 3339 text → a timestamp; whatever else as `toCelInput`. */
export function toTimestamp(value: unknown): CelInput {
  return typeof value === "string" ? fromJson(TimestampSchema, value) : toCelInput(value);
}

/** @throws ExpressionError where JSON has no such value */
export function toJsonValue(value: unknown): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (!Number.isFinite(value)) throw new ExpressionError(`the result is ${value}, which is no number of JSON`);
      return value + 0;
    case "bigint":
      return readNumber(String(value));
  }
  if (typeof value !== "object" || value === null) return null;
  const source = sources.get(value);
  if (source !== undefined) return source;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (isCelUint(value)) return readNumber(String(value.value));
  if (isCelList(value)) return Array.from(value, toJsonValue);
  if (isCelMap(value)) return Object.fromEntries(Array.from(value, ([key, inner]) => [keyOf(key), toJsonValue(inner)]));
  if (isReflectMessage(value, TimestampSchema)) return toJson(TimestampSchema, value.message as Timestamp);
  if (isReflectMessage(value, DurationSchema)) return toJson(DurationSchema, value.message as Duration);
  if (isReflectMessage(value, NumberSchema)) return readNumber((value.message as unknown as { text: string }).text);
  throw new ExpressionError(`the result is the type ${String(value)}, which is no value of JSON`);
}

const NONE: ReadonlySet<string> = new Set();

function toCelNumber(number: ExactNumber): CelInput {
  if (/^-?\d{1,19}$/.test(number.text)) {
    const int = BigInt(number.text);
    if (int >= MIN_INT && int <= MAX_INT) return int;
  }
  return create(NumberSchema, { text: number.text } as never);
}

function keyOf(key: Parameters<CelMap["get"]>[0]): string {
  return isCelUint(key) ? String(key.value) : String(key);
}

/** An object of JSON as a map: only its own keys are there, and a value is converted when it is first read. */
class JsonMap implements ReadonlyMap<string, CelInput> {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #timestamps: ReadonlySet<string>;
  readonly #converted = new Map<string, CelInput>();

  constructor(object: Readonly<Record<string, unknown>>, timestamps: ReadonlySet<string>) {
    this.#object = object;
    this.#timestamps = timestamps;
  }

  get size(): number {
    return this.#keys().length;
  }

  has(key: unknown): boolean {
    return typeof key === "string" && Object.hasOwn(this.#object, key) && this.#object[key] !== undefined;
  }

  get(key: unknown): CelInput | undefined {
    if (!this.has(key)) return undefined;
    const name = key as string;
    const value = this.#object[name];
    if (this.#timestamps.has(name)) return toTimestamp(value);
    if (typeof value !== "object" || value === null) return toCelInput(value);
    let converted = this.#converted.get(name);
    if (converted === undefined) {
      converted = toCelInput(value);
      this.#converted.set(name, converted);
    }
    return converted;
  }

  forEach(visit: (value: CelInput, key: string, map: ReadonlyMap<string, CelInput>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }

  keys(): MapIterator<string> {
    return this.#keys().values();
  }

  *entries(): MapIterator<[string, CelInput]> {
    for (const key of this.#keys()) yield [key, this.get(key) as CelInput];
  }

  *values(): MapIterator<CelInput> {
    for (const key of this.#keys()) yield this.get(key) as CelInput;
  }

  [Symbol.iterator](): MapIterator<[string, CelInput]> {
    return this.entries();
  }

  #keys(): string[] {
    return Object.keys(this.#object).filter((key) => this.#object[key] !== undefined);
  }
}
