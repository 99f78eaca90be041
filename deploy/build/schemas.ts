/** Writes docs/schemas/*.json, the published JSON Schemas, from the schemas that validate. A test holds them together. */
import { join } from "node:path";
import { definitionInputSchema } from "../../src/definition/schema.ts";
import { renderDocumentSchema } from "../../src/document/document-schema.ts";
import { EventEnvelopeSchema } from "../../src/event/envelope.ts";
import { EventTypeSchema } from "../../src/event/event-type.ts";
import { definitionViewSchema } from "../../src/explain/definition-view.ts";
import { RunView } from "../../src/explain/run-view.ts";
import { TaskView } from "../../src/explain/task-view.ts";
import type { TaskTypes } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { REPOSITORY } from "./repository.ts";

const published = (types: TaskTypes) => ({
  envelope: EventEnvelopeSchema,
  "definition-input": definitionInputSchema(types),
  definition: definitionViewSchema(types),
  "event-type": EventTypeSchema,
  run: RunView,
  task: TaskView,
});

/** File name below docs/schemas → its text. */
export function renderSchemas(types: TaskTypes = TASK_TYPES): Record<string, string> {
  const texts = Object.fromEntries(
    Object.entries(published(types)).map(([name, schema]) => {
      // `expected` words our own errors; it is no part of JSON Schema.
      const plain = JSON.parse(JSON.stringify(schema, (key, value) => (key === "expected" ? undefined : value)));
      const document = { $schema: "https://json-schema.org/draft/2020-12/schema", ...plain };
      return [`${name}.json`, `${JSON.stringify(document, null, 2)}\n`];
    }),
  );
  return { ...texts, "definition-file.schema.json": renderDocumentSchema(types) };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(renderSchemas()))
    await Bun.write(join(REPOSITORY, "docs/schemas", name), text);
}
