import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Ajv } from "ajv";
import { Glob } from "bun";
import { parseAllDocuments } from "yaml";
import { renderSchemas } from "../../deploy/build/schemas.ts";
import { isFault, readDocuments } from "../../src/document/document.ts";
import type { TaskType } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const EXAMPLES = join(import.meta.dir, "../../docs/examples");

for (const [name, text] of Object.entries(renderSchemas()))
  test(`docs/schemas/${name} says what the code checks (make schemas writes it)`, async () => {
    expect(await Bun.file(new URL(`../../docs/schemas/${name}`, import.meta.url)).text()).toBe(text);
  });

test("docs/definitions.md lists the params of each task type", async () => {
  const text = await Bun.file(new URL("../../docs/definitions.md", import.meta.url)).text();
  for (const [name, { params }] of Object.entries<TaskType>(TASK_TYPES)) {
    const [, row = ""] = text.split(`\n| \`params\` of \`${name}\` | | `);
    const listed = [...(row.split("\n")[0] ?? "").matchAll(/(?:^|, )`(\w+)`( \(required\))?/g)];
    expect(listed.filter(([, , required]) => required).map(([, param]) => param)).toEqual(params.required ?? []);
    expect(listed.map(([, param]) => param).sort()).toEqual(Object.keys(params.properties).sort());
  }
});

describe("the schema of a definition file, as an editor uses it,", () => {
  const validate = new Ajv({ strict: false, allErrors: true }).compile(
    JSON.parse(renderSchemas()["definition-file.schema.json"] as string),
  );
  const documentsOf = (text: string) => parseAllDocuments(text).map((document) => document.toJS());

  test("takes every example, which names it", async () => {
    for (const path of new Glob("*.yaml").scanSync(EXAMPLES)) {
      const text = await Bun.file(join(EXAMPLES, path)).text();
      expect(text.split("\n")[0]).toBe("# yaml-language-server: $schema=../schemas/definition-file.schema.json");
      expect([...readDocuments(text, path, TASK_RULES)].filter(isFault)).toEqual([]);
      for (const document of documentsOf(text))
        expect([path, validate(document), validate.errors]).toEqual([path, true, null]);
    }
  });

  test.each([
    ["an unknown field", "name: a\ncolour: red\ntrigger_config: {trigger_type: event, event_type: x}\n"],
    ["an unknown kind", "kind: job\nname: a\ntrigger_config: {trigger_type: event, event_type: x}\n"],
    ["an event type's trigger", "kind: event_type\nname: a\nschema: {}\ntrigger_config: {}\n"],
    ["a hook's trigger", "kind: hook\nname: a\nverify: github\nsecrets: [S]\ntrigger_config: {}\n"],
    ["an activity's schema", "name: a\nschema: {}\ntrigger_config: {trigger_type: event, event_type: x}\n"],
    ["an id with a space", "id: a b\nname: a\ntrigger_config: {trigger_type: event, event_type: x}\n"],
  ])("refuses %s, as reading it does", (_, text) => {
    expect(documentsOf(text).map((document) => validate(document))).toEqual([false]);
    expect([...readDocuments(text, "f.yaml", TASK_RULES)].every(isFault)).toBe(true);
  });
});
