import { expect, test } from "bun:test";
import { compileTemplate, findTemplateFaults, renderSecret } from "../../src/expression/template.ts";

const scope = { roots: ["event", "item", "secret"] };

function render(value: unknown, values: Record<string, unknown> = {}) {
  return compileTemplate(value, scope).render(values);
}

test("a string that is one expression keeps the type of its value, and every other one is text", () => {
  const values = { event: { payload: { n: 2, list: [1], ok: true } } };
  expect(
    render(
      ["{{ event.payload.n }}", "{{ event.payload.list }}", "n={{event.payload.n}}, {{ event.payload.ok }}"],
      values,
    ).value,
  ).toEqual([2, [1], "n=2, true"]);
});

test("braces and quotes within an expression belong to it", () => {
  expect(render('{{ {"a": {"b": 1}} }}').value).toEqual({ a: { b: 1 } });
  expect(render("{{ '}}' }}{{ '{{' }}{{ '${' }}").value).toBe("}}{{${");
});

test.each([
  ["n={{ event.payload }}", "is an object"],
  ["n={{ event.missing }}", "missing"],
  ["n={{ event.none }}", "is null"],
])("%s is an error within a text", (text, message) => {
  expect(() => render(text, { event: { payload: {}, none: null } })).toThrow(message);
});

test("a literal template answers the very value that it was made of", () => {
  const value = { a: ["x", 1] };
  const template = compileTemplate(value, scope);
  expect(template.isLiteral).toBe(true);
  expect(template.render({})).toEqual({ value, sources: {} });
  expect(template.render({}).value).toBe(value);
});

test("a string that reads a secret is rendered at its use, from the values that it reads", () => {
  const values = { event: { payload: { user: "ada", other: "{{ secret.X }}" } } };
  const template = compileTemplate(
    { "a/b": "{{ event.payload.user }}:{{ secret.X }}", echo: "{{ event.payload.other }}" },
    scope,
  );
  expect([...template.reads.names("secret")]).toEqual(["X"]);
  const { value, sources } = template.render(values);
  expect(value).toEqual({ "a/b": "{{ event.payload.user }}:{{ secret.X }}", echo: "{{ secret.X }}" });
  expect(sources).toEqual({
    "/a~1b": { text: "{{ event.payload.user }}:{{ secret.X }}", values: { event: { payload: { user: "ada" } } } },
    "/echo": { text: "{{ event.payload.other }}" },
  });
  const [secret] = Object.values(sources);
  expect(secret && renderSecret(secret, { X: "s3cret" })).toBe("ada:s3cret");
});

test("faults of templates are found when they are stored", () => {
  const faults = findTemplateFaults(
    { a: ["{{ evnt.id }}"], b: "{{ event.id", c: "Bearer ${TOKEN}", "{{ event.id }}": 1 },
    "/params",
    scope,
  );
  expect(faults.map(({ path }) => path)).toEqual(["/params/a/0", "/params/b", "/params/c", "/params"]);
  expect(faults[0]?.message).toContain("did you mean event?");
  expect(faults[2]?.message).toContain("{{ secret.NAME }}");
});
