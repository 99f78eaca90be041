/**
 * JSON → the values of CEL. A number of JSON is a double, as in CEL; one that a double would change is an int where 64 bits
 * keep it, and else an opaque value that can be passed on, compared and written.
 */
import { type CelInput, celList, celMap } from "@bufbuild/cel";
import { create, createFileRegistry, fromJson } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt";
import { type ExactNumber, isExactNumber, readNumber } from "../json/exact-number.ts";

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);

/** The name of the type that carries an ExactNumber, by its text: CEL has no number that could. */
export const EXACT_NUMBER = "number";

export const numberRegistry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: "number.proto",
    syntax: "proto3",
    messageType: [
      {
        name: EXACT_NUMBER,
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
const NumberSchema = numberRegistry.getMessage(EXACT_NUMBER) as NonNullable<
  ReturnType<typeof numberRegistry.getMessage>
>;

/** What a list or a map of CEL was made of. */
const origins = new WeakMap<object, object>();

/** `timestamps` are the keys of an object whose texts are times and become timestamps. */
export function toCelInput(value: unknown, timestamps: ReadonlySet<string> = NONE): CelInput {
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value !== "object" || value === null) return null;
  if (isExactNumber(value)) return toCelNumber(value);
  const made = Array.isArray(value)
    ? celList(value.map((item) => toCelInput(item)))
    : celMap(new JsonMap(value as Record<string, unknown>, timestamps));
  origins.set(made, value);
  return made;
}

/** A time as RFC 3339 text → a timestamp; whatever else as `toCelInput`. */
export function toTimestamp(value: unknown): CelInput {
  if (typeof value !== "string") return toCelInput(value);
  try {
    return fromJson(TimestampSchema, value);
  } catch {
    return value;
  }
}

/** The JSON that a list or map was made of; undefined where the expression made it. */
export function originOf(value: object): object | undefined {
  return origins.get(value);
}

/** Undefined where the value is not what an ExactNumber became. */
export function exactNumberOf(value: unknown): ExactNumber | undefined {
  if (!isReflectMessage(value, NumberSchema)) return undefined;
  return readNumber((value.message as unknown as { text: string }).text) as ExactNumber;
}

const NONE: ReadonlySet<string> = new Set();

function toCelNumber(number: ExactNumber): CelInput {
  if (/^-?\d{1,19}$/.test(number.text)) {
    const int = BigInt(number.text);
    if (int >= MIN_INT && int <= MAX_INT) return int;
  }
  return create(NumberSchema, { text: number.text } as never);
}

/** An object of JSON as a map: only its own keys are there, and a value is converted when it is first read. */
class JsonMap implements ReadonlyMap<string, CelInput> {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #timestamps: ReadonlySet<string>;
  /** Lists and objects. */
  readonly #converted = new Map<string, CelInput>();
  #keys: string[] | undefined;

  constructor(object: Readonly<Record<string, unknown>>, timestamps: ReadonlySet<string>) {
    this.#object = object;
    this.#timestamps = timestamps;
  }

  get size(): number {
    return this.#ownKeys().length;
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
    return this.#ownKeys().values();
  }

  *entries(): MapIterator<[string, CelInput]> {
    for (const key of this.#ownKeys()) yield [key, this.get(key) as CelInput];
  }

  *values(): MapIterator<CelInput> {
    for (const key of this.#ownKeys()) yield this.get(key) as CelInput;
  }

  [Symbol.iterator](): MapIterator<[string, CelInput]> {
    return this.entries();
  }

  #ownKeys(): string[] {
    this.#keys ??= Object.keys(this.#object).filter((key) => this.#object[key] !== undefined);
    return this.#keys;
  }
}
