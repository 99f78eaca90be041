/** An event type: what events of one type carry, as a JSON Schema of their payload. Refused are only those of an enforced one. */

import { type Static, Type } from "@sinclair/typebox";
import { findUnstorable } from "../definition/validate.ts";
import { findFaults } from "../json/faults.ts";
import { isFields } from "../json/fields.ts";
import { findSchemaFaults } from "../json/json-schema.ts";
import { Nullable } from "../json/schema-parts.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";

export const EventTypeInputSchema = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
      description: "The events' `type`.",
      expected: "1 to 200 characters without control characters",
    }),
    description: Type.Optional(
      Type.String({
        maxLength: 10_000,
        pattern: "^[^\\u0000]*$",
        description: "For people.",
        expected: "at most 10,000 characters",
      }),
    ),
    schema: Type.Record(Type.String(), Type.Unknown(), {
      description: "JSON Schema (draft 2020-12) of the payload.",
      expected: "a JSON Schema, as an object",
    }),
    enforce: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Whether an event is refused whose payload does not match; else the schema only describes.",
        expected: "true or false",
      }),
    ),
  },
  { additionalProperties: false, title: "EventTypeInput" },
);

/** An event type as its document says it, with its defaults. */
export interface EventTypeBody extends Static<typeof EventTypeInputSchema> {
  enforce: boolean;
}

/** What is stored and answered. */
export const EventTypeSchema = Type.Composite(
  [
    Type.Object({ id: Type.String({ format: "uuid" }) }),
    Type.Omit(EventTypeInputSchema, ["description", "enforce"]),
    Type.Object({
      description: Nullable(Type.String()),
      enforce: Type.Boolean(),
      version: Type.Integer({ minimum: 1, description: "Every change adds one." }),
      source: Type.String({ description: "The file that made it." }),
      created_at: Type.String({ format: "date-time" }),
      updated_at: Type.String({ format: "date-time" }),
    }),
  ],
  { additionalProperties: false, title: "EventType" },
);
export type EventType = Static<typeof EventTypeSchema>;

/** The port through which event types are read; postgres/event/event-types.ts is behind it. A retired one is not there. */
export interface EventTypeReader {
  /** By name. */
  list(page: { limit: number; after?: string }): Promise<EventType[]>;
  find(name: string): Promise<EventType | undefined>;
}

/** @throws InvalidInputError `invalid_event_type`, with every fault */
export function parseEventType(input: unknown): EventTypeBody {
  const faults = findAllFaults(input);
  if (faults.length > 0) throw new InvalidInputError("the event type is not valid", faults, "invalid_event_type");
  const { name, description, schema, enforce = false } = input as Static<typeof EventTypeInputSchema>;
  return { name, ...(description !== undefined && { description }), schema, enforce };
}

function findAllFaults(input: unknown): Fault[] {
  const unstorable = findUnstorable(input);
  if (unstorable.length > 0) return unstorable;
  const faults = findFaults(EventTypeInputSchema, input);
  if (!isFields(input) || !isFields(input.schema)) return faults;
  return [...faults, ...findSchemaFaults(input.schema, "/schema", input.enforce === true)];
}
