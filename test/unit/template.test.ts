import { expect, test } from "bun:test";
import { findAmountFaults } from "../../src/expression/amount.ts";
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

test("an error says in which text of the template it is", () => {
  expect(() => render({ body: [{ to: "{{ event.payload.x }}" }] }, { event: { payload: {} } })).toThrow(
    'in /body/0/to: event.payload.x: event.payload has no key "x"',
  );
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
  expect(faults[0]?.message).toBe("at 1:4: evnt is not known here: did you mean event?");
  expect(faults[2]?.message).toContain("{{ secret.NAME }}");
});

test("only what has an expression is copied", () => {
  const value = { same: { a: [1] }, made: { b: "{{ event.n }}" } };
  const rendered = render(value, { event: { n: 1 } }).value as typeof value;
  expect(rendered).toEqual({ same: { a: [1] }, made: { b: 1 } } as never);
  expect(rendered.same).toBe(value.same);
});

test("the source of a secret has what it reads and nothing beside it, also in lists and under dotted keys", () => {
  const values = { event: { id: "e", list: [{ a: 1 }, { a: 2 }], user: { "x.y": 1, name: "ada", gone: null } } };
  const text = "{{ event.list[1].a }}{{ event.user['x.y'] }}{{ get(event.user, 'gone.b', '-') }}{{ secret.X }}";
  const [source] = Object.values(render(text, values).sources);
  expect(source?.values).toEqual({ event: { list: values.event.list, user: values.event.user } });
  expect(source && renderSecret(source, { X: "s" })).toBe("21-s");
  expect(render("{{ event.user.name }}{{ secret.X }}", values).sources).toMatchObject({
    "": { values: { event: { user: { name: "ada" } } } },
  });
});

test("a definition is not looked at when it has too many expressions", () => {
  const template = (when: string) => ({ key: "a", when, params: { body: "{{ event.id }} of a long text" } });
  expect(findAmountFaults({ task_templates: [template("true")], name: "x".repeat(30_000) })).toEqual([]);
  expect(findAmountFaults({ task_templates: [template("x".repeat(15_000)), template("x".repeat(15_000))] })).toEqual([
    { path: "/", message: "has 30028 characters of expressions, and at most 25000 are taken" },
  ]);
});

test("a template is bounded as a whole", () => {
  const many = Array.from({ length: 1_001 }, () => "{{ event.n }}");
  expect(findTemplateFaults(many, "/params", scope)).toEqual([
    { path: "/params", message: "has 1001 texts with an expression, and at most 1000 are taken" },
  ]);
  const big = { event: { big: "x".repeat(600_000) } };
  expect(render("{{ event.big }}", big).value).toBe(big.event.big);
  expect(() => render(["{{ event.big }}", "{{ event.big }}"], big)).toThrow("more than 1000000 characters");
});
