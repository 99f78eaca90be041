/** The pages of docs/tasks: each type has one, which names its params, and whose examples are definitions without a fault. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import type { TaskTypes } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

describe.each(Object.entries(TASK_TYPES as TaskTypes))("the page of %s", async (name, { params }) => {
  const page = await Bun.file(join(REPOSITORY, `docs/tasks/${name}.md`)).text();

  test("has a definition with such a task as its example, and each of its examples is one", () => {
    const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].flatMap(([, text = ""]) =>
      parseAllDocuments(text).map((document) => parseDefinition(document.toJS(), TASK_RULES)),
    );
    expect(examples.flatMap(({ task_templates }) => task_templates.map(({ type }) => type))).toContain(name as never);
  });

  test("names each of its params", () => {
    const unnamed = Object.keys(params.properties).filter((param) => !page.includes(`| \`${param}\` |`));
    expect(unnamed).toEqual([]);
  });
});

test("docs/definitions.md leads to each of the pages", async () => {
  const text = await Bun.file(join(REPOSITORY, "docs/definitions.md")).text();
  expect(Object.keys(TASK_TYPES).filter((name) => !text.includes(`(tasks/${name}.md)`))).toEqual([]);
});
