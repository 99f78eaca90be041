/** The examples of docs/context.md are definitions without a fault, and its tables name what there is. */
import { expect, test } from "bun:test";
import { SOURCE_TYPES } from "../../src/context/sources.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import { readExamples } from "../support/context-examples.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const { text, examples } = await readExamples();

test("every example is a definition, and each type has one", () => {
  const types = examples.flatMap((example) => parseDefinition(example, TASK_RULES).context_sources);
  expect(new Set(types.map(({ type }) => type))).toEqual(new Set(Object.keys(SOURCE_TYPES) as never[]));
});

test.each(Object.entries(SOURCE_TYPES))(
  "the section of %s names its fields and the parts of its answer",
  (name, type) => {
    const section = text.split(/^## /m).find((each) => each.startsWith(`${name}\n`)) ?? "";
    for (const field of Object.keys(type.fields.properties)) expect(section).toContain(`\`${field}\``);
    const answer = section.slice(section.indexOf("Answer: "));
    for (const part of type.answer) expect(answer).toContain(`\`${part}\``);
  },
);
