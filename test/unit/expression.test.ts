import { expect, test } from "bun:test";
import { checkCondition, compileExpression, findExpressionFaults } from "../../src/expression/expression.ts";
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
  ["get(event.payload, 'a.b', 0)", { a: { b: 1 } }, 1],
  ["get(event.payload, 'a.b', 0)", { "a.b": 2, a: { b: 1 } }, 2],
  ["get(event.payload, 'a.1', 0)", { a: [5, 6] }, 6],
  ["get(event.payload, 'a.b', 'none')", { a: null }, "none"],
  ["json(event.payload)", { a: [1, null] }, '{"a":[1,null]}'],
  ["urlencode(event.payload)", "a b/ü*", "a%20b%2F%C3%BC%2A"],
  ["base64(event.payload)", "ü", "w7w="],
  ["sha256(event.payload)", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["'k' in event.payload", { k: null }, true],
])("%s of %j is %j", (text, payload, expected) => {
  expect(evaluate(text, withPayload(payload))).toEqual(expected);
});
