/** An event type: what events of one type carry, as a JSON Schema of their payload. */
import { type Static, Type } from "@sinclair/typebox";
import { InvalidInputError } from "../errors.ts";
import { findFaults } from "./faults.ts";

export const EventTypeInputSchema = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: "^[^\\u0000-\\u001f]*$",
      description: "The events' `type`.",
      expected: "1 to 200 characters without control characters",
    }),
    description: Type.Optional(
      Type.String({ maxLength: 10_000, pattern: "^[^\\u0000]*$", expected: "at most 10,000 characters" }),
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

/** @throws InvalidInputError `invalid_event_type`, with every fault */
export function parseEventType(input: unknown): EventTypeBody {
  const faults = findFaults(EventTypeInputSchema, input);
  if (faults.length > 0) throw new InvalidInputError("the event type is not valid", faults, "invalid_event_type");
  const { name, description, schema, enforce = false } = input as Static<typeof EventTypeInputSchema>;
  return { name, ...(description !== undefined && { description }), schema, enforce };
}
