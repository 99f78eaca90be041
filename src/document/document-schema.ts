/** The shape of a document in a definition file, for editors: what REST takes, and what only files have. */
import { type TObject, type TSchema, Type } from "@sinclair/typebox";
import { definitionInputSchema } from "../definition/schema.ts";
import { EventTypeInputSchema } from "../event/event-type.ts";
import { HookInputSchema } from "../hook/schema.ts";
import type { TaskTypes } from "../task/task-type.ts";

export const DOCUMENT_KINDS = ["activity", "event_type", "hook"] as const;
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];
export const ID_PATTERN = "^[A-Za-z0-9._-]{1,100}$";

const id = Type.Optional(
  Type.String({
    pattern: ID_PATTERN,
    description: "Keeps it the same document when its name changes. Without it, the name is what it is known by.",
  }),
);
const kindOf = (kind: DocumentKind, description: string) => Type.Literal(kind, { description });

function documentOf(input: TObject, kind: TSchema): TSchema {
  const { title: _, properties, ...rest } = input;
  return Type.Object({ kind, id, ...properties }, { additionalProperties: rest.additionalProperties as false });
}

/** `then` for the documents of this kind, `otherwise` for the others: an editor speaks of the kind that is meant. */
const choice = (kind: DocumentKind, then: TSchema, otherwise: object) => ({
  if: { required: ["kind"], properties: { kind: { const: kind } } },
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
  then,
  else: otherwise,
});

const documentSchema = (types: TaskTypes) => ({
  // Every editor knows this older draft.
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "ActcoreDocument",
  description: "A document of a definition file: an activity, or by its `kind` an event type or a hook.",
  type: "object",
  ...choice(
    "event_type",
    documentOf(EventTypeInputSchema, kindOf("event_type", "What events of one type carry.")),
    choice(
      "hook",
      documentOf(HookInputSchema, kindOf("hook", "What becomes of the requests that a webhook sends.")),
      documentOf(definitionInputSchema(types), Type.Optional(kindOf("activity", "What to do when: the default."))),
    ),
  ),
});

/** The schema as JSON text, which docs/schemas has and the API serves; activities may have tasks of these types. */
export function renderDocumentSchema(types: TaskTypes): string {
  // `expected` words our own errors; it is no part of JSON Schema.
  const text = JSON.stringify(documentSchema(types), (key, value) => (key === "expected" ? undefined : value), 2);
  return `${text}\n`;
}
