/** The examples of docs/expressions.md are what they say. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import { compileExpression, findExpressionFaults } from "../../src/expression/expression.ts";
import { compileTemplate } from "../../src/expression/template.ts";
import { parseJson } from "../../src/json/parse.ts";

const page = await Bun.file(join(REPOSITORY, "docs/expressions.md")).text();
const values = parseJson(blocksOf("json")[0] as string) as Record<string, unknown>;
const scope = { roots: [...Object.keys(values), "run", "secret"], names: { tasks: ["mail"], context: ["account"] } };

function blocksOf(language: string): string[] {
  return [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, word]) => word === language)
    .map((found) => found[2] as string);
}

/** Each line is an example, and behind the last ` // ` what comes of it. */
function examplesOf(language: string): [text: string, result: string][] {
  const lines = blocksOf(language).flatMap((block) => block.trimEnd().split("\n"));
  return lines.map((line) => {
    const at = line.lastIndexOf(" // ");
    return [line.slice(0, at).trim(), line.slice(at + 4).trim()];
  });
}

function check(evaluate: () => unknown, result: string): void {
  if (result.startsWith("error: ")) expect(evaluate).toThrow(result.slice("error: ".length));
  else expect(evaluate()).toEqual(parseJson(result));
}

test.each(examplesOf("cel"))("%s is %s", (text, result) => {
  check(() => compileExpression(text, scope).evaluate(values), result);
});

test.each(examplesOf("template"))("the template %s becomes %s", (text, result) => {
  check(() => compileTemplate(text, scope).render(values).value, result);
});

test.each(examplesOf("refused"))("%s is refused: %s", (text, message) => {
  expect(findExpressionFaults(text, "/when", scope)).toContainEqual({ path: "/when", message });
});
