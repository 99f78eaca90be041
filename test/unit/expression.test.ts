import { expect, test } from "bun:test";
import { join } from "node:path";
import { SOURCE } from "../../deploy/build/repository.ts";
import {
  checkCondition,
  compileChecked,
  compileExpression,
  findExpressionFaults,
} from "../../src/expression/expression.ts";
import { parseJson } from "../../src/json/parse.ts";

const scope = {
  roots: ["event", "trigger", "context", "tasks", "item", "now", "secret"],
  names: { context: ["account"], tasks: ["mail", "report"] },
};

function evaluate(text: string, values: Record<string, unknown> = {}): unknown {
  return compileExpression(text, scope).evaluate(values);
}

function withPayload(payload: unknown) {
  return { event: { payload } };
}

test("a whole number of JSON behaves as a whole number", () => {
  const values = withPayload({ n: 7, list: ["a", "b", "c"], i: 1 });
  expect(evaluate("event.payload.n + 1", values)).toBe(8);
  expect(evaluate("event.payload.n % 2 == 1", values)).toBe(true);
  expect(evaluate("event.payload.list[event.payload.i]", values)).toBe("b");
});

test("a number that a double would change stays exact, or is refused", () => {
  const values = withPayload(parseJson('{"id": 9007199254740993, "big": 1e400, "last": 9007199254740991}'));
  expect(JSON.stringify(evaluate("event.payload.id", values))).toBe("9007199254740993");
  expect(JSON.stringify(evaluate("event.payload.id + 1", values))).toBe("9007199254740994");
  expect(JSON.stringify(evaluate("event.payload.big", values))).toBe("1e+400");
  expect(() => evaluate("event.payload.last + 1", values)).toThrow("beyond 2^53");
});

test("names of an object's prototype are not found, and its own are", () => {
  expect(() => evaluate("event.payload.constructor", withPayload({}))).toThrow("constructor");
  expect(evaluate("has(event.payload.__proto__)", withPayload({}))).toBe(false);
  expect(evaluate("event.payload.__proto__.x", withPayload(JSON.parse('{"__proto__": {"x": 1}}')))).toBe(1);
});

test("times of the run are timestamps, and become text again", () => {
  const values = {
    now: "2026-03-29T10:00:00Z",
    trigger: { fired_at: "2026-03-29T10:00:00.500Z", scheduled_for: null },
  };
  expect(evaluate("now - duration('1h')", values)).toBe("2026-03-29T09:00:00Z");
  expect(evaluate("trigger.fired_at > now && trigger.scheduled_for == null", values)).toBe(true);
});

test("a condition says which values decided it", () => {
  const condition = compileExpression("event.payload.seats > 3", scope);
  expect(checkCondition(condition, withPayload({ seats: 2 }))).toEqual({
    holds: false,
    explanation: "payload.seats is 2: event.payload.seats > 3 is false",
  });
  expect(() => checkCondition(compileExpression("event.payload.seats", scope), withPayload({ seats: 2 }))).toThrow(
    "neither true nor false: it is 2",
  );
});

test("an explanation has at most five values and 500 characters, and writes out no large one", () => {
  const payload = { a: 1, b: "x".repeat(1_000), list: Array.from({ length: 5_000 }, () => 1), c: 3, d: 4, e: 5, f: 6 };
  const parts = ["a == 1", "b != ''", "list.size() > 1", "c > 0", "d > 0", "e > 0", "f > 0"];
  const text = parts.map((part) => `event.payload.${part}`).join(" && ");
  const { explanation } = checkCondition(compileExpression(text, scope), withPayload(payload));
  expect(explanation).toStartWith(
    `payload.a is 1, payload.b is "${"x".repeat(76)}..., payload.list is a list of 5000 items`,
  );
  expect(explanation).toContain("payload.d is 4: event.payload.a == 1");
  expect(explanation.length).toBeLessThanOrEqual(500);
});

test("what an expression reads is known before it is evaluated", () => {
  const { reads } = compileExpression("tasks.mail.status == 'failed' && event.x.exists(item, item > now)", scope);
  expect([...reads.roots].sort()).toEqual(["event", "now", "tasks"]);
  expect([...reads.names("tasks")]).toEqual(["mail"]);
});

test.each([
  ["at 1:1: evnt is not known here: did you mean event?", "evnt.payload.n"],
  ["tasks has no mial: did you mean mail?", "tasks.mial.status == 1"],
  ["tasks is read by names, as in tasks.NAME", "tasks[event.x]"],
  ["a secret is read by its name", "json(secret)"],
  ["there is no function lowerAsci(): did you mean lowerAscii?", "event.id.lowerAsci()"],
  ["get() takes 3 arguments, and is given 1", "get(event)"],
  ["at 1:", "1 +"],
  ["at 1:1: an expression stands here without {{ and }} around it", "{{ event.payload.n > 1 }}"],
  ["the expression is empty", ""],
  ["nested deeper than", `${"(".repeat(1000)}1${")".repeat(1000)}`],
  ["has 100000 characters", "x".repeat(100_000)],
])("what is wrong is said when it is stored: %s", (message, text) => {
  const [fault] = findExpressionFaults(text, "/when", scope);
  expect(fault?.path).toBe("/when");
  expect(fault?.message).toContain(message);
  expect(() => evaluate(text)).toThrow();
});

test.each([
  ["'k' in event.payload && has(event.payload.k)", { k: null }, true],
  ["get(event.payload, 'a.b', 0)", { "a.b": 2, a: { b: 1 } }, 2],
  ["get(event.payload, 'a.1', 0)", { a: [5, 6] }, 6],
  ["get(event.payload, 'a.b', 'none')", { a: null }, "none"],
  ["get(event.payload, '__proto__.x', 'none')", {}, "none"],
  ["event.payload.big > 1e300 && event.payload.big == event.payload.again", { big: 1, again: 1 }, false],
  ["{'__proto__': event.payload.n}", { n: 1 }, JSON.parse('{"__proto__": 1}')],
  ["urlencode(event.payload.s)", { s: "a b/ü*\ud800" }, "a%20b%2F%C3%BC%2A%EF%BF%BD"],
  ["'aXa'.replace('a', 'b', 1) + 'abc'.replace('', '-')", {}, "bXa-a-b-c-"],
  ["size('😀') == 1 && '😀'.size() == 1", {}, true],
  ["strftime(timestamp('2027-01-01T00:00:00.123Z'), '%G-W%V-%u %j %y %I%p %L')", {}, "2026-W53-5 001 27 12AM 123"],
  ["timestamp('1850-06-01T12:00:00Z').getHours('Europe/Paris')", {}, 12],
  ["timestamp('2026-10-25T01:30:00Z').getHours('Europe/Paris')", {}, 2],
])("%s of %j is %j", (text, payload, expected) => {
  expect(evaluate(text, withPayload(payload))).toEqual(expected);
});

test("numbers with many digits are compared by their values, and written with all of them", () => {
  const values = withPayload(parseJson('{"a": 1e400, "b": 0.12345678901234567890123, "c": 12345678901234567890123}'));
  expect(evaluate("[event.payload.a > 1, event.payload.a == event.payload.a, event.payload.b < 0.13]", values)).toEqual(
    [true, true, true],
  );
  expect(evaluate("string(event.payload.c) + '/' + json([event.payload.b])", values)).toBe(
    "12345678901234567890123/[0.12345678901234567890123]",
  );
  expect(() => evaluate("event.payload.c + 1", values)).toThrow("more digits than can be computed with");
});

test("a value that is passed on is the very one that was given", () => {
  const payload = { list: [{ a: 1 }] };
  expect(evaluate("event.payload.list[0]", withPayload(payload))).toBe(payload.list[0]);
});

test("what goes wrong is said with the values that were read, and nothing of a secret is", () => {
  const values = { ...withPayload({ t: "x" }), secret: { KEY: "s3cret" } };
  expect(() => evaluate("event.payload.t > 3", values)).toThrow(
    'event.payload.t > 3: > does not take a text and a whole number, where payload.t is "x"',
  );
  for (const text of ["int(secret.KEY)", "secret.KEY + event.payload.t > 3", "duration(secret.KEY)"]) {
    expect(() => evaluate(text, values)).toThrow("reads a secret");
    expect(() => evaluate(text, values)).not.toThrow("s3cret");
  }
});

test("an error that || or all() would pass over does not hide that an evaluation takes too long", () => {
  const values = withPayload({ many: Array.from({ length: 5_000 }, (_, index) => index) });
  const loop = "event.payload.many.all(x, event.payload.many.all(y, x + y >= 0))";
  expect(() => evaluate(`${loop} || true`, values)).toThrow("takes too long");
  expect(() => evaluate(`[1].exists(z, ${loop} || true)`, values)).toThrow("takes too long");
  expect(evaluate("event.payload.many.filter(x, x % 2 == 0).map(x, x * 2).size()", values)).toBe(2_500);
});

test("parts of a time do not depend on the zone of the machine", async () => {
  const program = `
    import { compileExpression } from ${JSON.stringify(join(SOURCE, "expression/expression.ts"))};
    const text = "[now.getHours(), now.getDate(), now.getDayOfYear(), now.getHours('Europe/Paris'), strftime(now, '%F %T')]";
    console.log(JSON.stringify(compileExpression(text, { roots: ["now"] }).evaluate({ now: "2026-03-08T02:30:00Z" })));
  `;
  for (const TZ of ["America/New_York", "Asia/Tokyo"]) {
    const child = Bun.spawn([process.execPath, "-e", program], { env: { ...process.env, TZ }, stdout: "pipe" });
    expect(JSON.parse(await new Response(child.stdout).text())).toEqual([2, 8, 66, 3, "2026-03-08 02:30:00"]);
  }
});

test("a condition that is one value is explained by that value alone", () => {
  const { explanation } = checkCondition(compileChecked("context.account.active"), {
    context: { account: { active: false } },
  });
  expect(explanation).toBe("context.account.active is false");
});
