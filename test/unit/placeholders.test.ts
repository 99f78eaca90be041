/** Placeholders that this version does not fill in are refused wherever a task would send them. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are what is tested
import { describe, expect, test } from "bun:test";
import { parseDefinition } from "../../src/definition/validate.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import { findPlaceholders } from "../../src/task/placeholders.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const HTTP = { url: "http://127.0.0.1:3000/" };

function faultsOf(type: "http" | "log", params: object): string[] {
  const trigger_config = { trigger_type: "event", event_type: "x" };
  try {
    parseDefinition({ name: "a", trigger_config, task_templates: [{ key: "k", type, params }] }, TASK_RULES);
  } catch (error) {
    return (error as InvalidInputError).faults.map(({ path, message }) => `${path} ${message}`);
  }
  return [];
}

describe("a placeholder is refused at its place and by its name:", () => {
  const at = (path: string) => `/task_templates/0/params${path}`;
  const refused: [what: string, type: "http" | "log", params: object, path: string, name: string][] = [
    ["in a URL", "http", { url: "http://a/{{ event.payload.id }}" }, "/url", "{{ event.payload.id }}"],
    ["as a URL's host", "http", { url: "http://{{ host }}/x" }, "/url", "{{ host }}"],
    ["in a URL's port", "http", { url: "http://a:${PORT}/x" }, "/url", "${PORT}"],
    ["in a header", "http", { ...HTTP, headers: { a: "Bearer ${SHOP_TOKEN}" } }, "/headers/a", "${SHOP_TOKEN}"],
    ["in a body of text", "http", { ...HTTP, body: "id={{id}}" }, "/body", "{{id}}"],
    ["deep in a body", "http", { ...HTTP, body: { a: [{ "b/c": "x ${Y:-z} w" }] } }, "/body/a/0/b~1c", "${Y:-z}"],
    ["over several lines", "http", { ...HTTP, body: "{{\n a\n}}" }, "/body", "{{\\n a\\n}}"],
    ["that is not closed", "log", { message: "got {{ event.id }" }, "/message", "{{ event.id }"],
    ["in a message", "log", { message: "got {{ event.id }}" }, "/message", "{{ event.id }}"],
  ];
  test.each(refused)("%s", (_, type, params, path, name) => {
    const what = name.startsWith("$")
      ? "variables of the environment are not filled in"
      : "expressions are not evaluated";
    expect(faultsOf(type, params)).toEqual([
      `${at(path)} "${name}" would be sent as it is written: ${what} in this version`,
    ]);
  });

  test("in a key of a body", () => {
    expect(faultsOf("http", { ...HTTP, body: { a: { "{{ k }}": 1 } } })).toEqual([
      `${at("/body/a")} its key "{{ k }}": "{{ k }}" would be sent as it is written: expressions are not evaluated in this version`,
    ]);
  });
});

describe("is no placeholder:", () => {
  test.each(["costs $5", "$HOME", "{ id }", "}}", '{"a":{"b":{}}}', "100 % {", "a $ {b}"])("%s", (text) => {
    expect(findPlaceholders(text, "/body")).toEqual([]);
    expect(faultsOf("http", { ...HTTP, body: text })).toEqual([]);
  });
});
