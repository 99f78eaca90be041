/** Which events are refused for their payload: those of an enforced type that do not match its schema. */
import { atPath, type Check, compileCheck, type JsonSchema } from "../json/json-schema.ts";
import { parseJson } from "../json/parse.ts";
import type { Fault } from "../kernel/errors.ts";
import type { EventEnvelope } from "./envelope.ts";

/** An event type that is enforced, and not retired. */
export interface EnforcedType {
  name: string;
  /** As JSON text. */
  schema: string;
}

/** The port through which they are read; the dispatcher and the door of the API ask it. */
export interface EnforcedTypeReader {
  /** It moves with every change of a definition or an event type (I4). */
  readRevision(): Promise<bigint>;
  /** Not older than the revision read before. */
  listEnforcedTypes(): Promise<EnforcedType[]>;
}

/** By the name of the type. A schema is compiled when the first event of its type comes. */
export type PayloadChecks = ReadonlyMap<string, { schema: string; check(payload: unknown): Fault[] }>;

/** Those of `before` are kept where the schema is the same. */
export function indexEnforcedTypes(types: readonly EnforcedType[], before: PayloadChecks): PayloadChecks {
  return new Map(
    types.map(({ name, schema }) => {
      const known = before.get(name);
      return [name, known?.schema === schema ? known : { schema, check: compileLater(schema) }];
    }),
  );
}

/** The faults of the event's payload under the schema of its type, each with its path in the envelope. */
export function findPayloadFaults(checks: PayloadChecks, { type, payload = {} }: EventEnvelope): Fault[] {
  return atPath("/payload", checks.get(type)?.check(payload) ?? []);
}

function compileLater(schema: string): Check {
  let check: Check | undefined;
  return (payload) => {
    check ??= compileCheck(parseJson(schema) as JsonSchema);
    return check(payload);
  };
}
