import { describe, expect, test } from "bun:test";
import { TRIGGER_SCOPE } from "../../src/definition/scopes.ts";
import { matchEvent as match } from "../../src/dispatch/match-event.ts";
import { type EventEnvelope, toEventValue } from "../../src/event/envelope.ts";
import {
  indexSubscriptions,
  type Match,
  outcomeOf,
  type SubscriptionIndex,
  type SubscriptionRow,
} from "../../src/event/match.ts";
import { findExpressionFaults } from "../../src/expression/expression.ts";
import { parseJson } from "../../src/json/parse.ts";

const parse = (text: string) => parseJson(text) as Record<string, unknown>;
const subscription = (
  name: string,
  event_type: string,
  filters?: Record<string, unknown>,
  enabled = true,
): SubscriptionRow => ({
  id: name,
  name,
  enabled,
  version: 1,
  trigger_config: { trigger_type: "event", event_type, ...(filters && { filters }) },
});
const matchEvent = (index: SubscriptionIndex, event: EventEnvelope) => match(index, event).matches;
const eventOf = (type: string, payload?: unknown) => ({ event_id: "e", type, source: "s", occurred_at: "t", payload });

test("an event reaches each definition of its type and no other", () => {
  const index = indexSubscriptions(["a", "b"].map((name) => subscription(name, "x")).concat(subscription("c", "y")));
  expect(matchEvent(index, eventOf("x")).map(({ activity_name }) => activity_name)).toEqual(["a", "b"]);
  expect(matchEvent(index, eventOf("z"))).toEqual([]);
});

test("an event reaches the definitions of its type first, then those whose patterns stand for it", () => {
  const types = {
    rest: "user.**",
    one: "*.created",
    exact: "user.created",
    other: "user.*.created",
    rest2: "user.created.**",
  };
  const index = indexSubscriptions(Object.entries(types).map(([name, type]) => subscription(name, type)));
  expect(matchEvent(index, eventOf("user.created")).map(({ activity_name }) => activity_name)).toEqual([
    ...["exact", "rest", "one"],
  ]);
});

describe("filters", () => {
  test.each<[filters: Record<string, unknown> | undefined, payload: unknown, outcome: "run" | "filtered"]>([
    [undefined, undefined, "run"],
    [{}, 5, "run"],
    [{ tier: "pro" }, { tier: "pro", more: 1 }, "run"],
    [{ tier: "pro" }, { tier: "free" }, "filtered"],
    [{ tier: "pro" }, {}, "filtered"],
    [{ tier: "pro" }, undefined, "filtered"],
    [{ tier: "pro" }, ["pro"], "filtered"],
    [{ a: 1, b: 2 }, { a: 1, b: 2 }, "run"],
    [{ a: 1, b: 2 }, { a: 1, b: 3 }, "filtered"],
    [{ n: 1 }, { n: "1" }, "filtered"],
    [{ n: null }, { n: null }, "run"],
    [{ n: null }, {}, "filtered"],
    [{ o: { a: [1, { b: 2 }] } }, { o: { a: [1, { b: 2 }] } }, "run"],
    [{ o: { a: 1 } }, { o: { a: 1, b: 2 } }, "filtered"],
    [{ o: { a: 1, b: 2 } }, { o: { b: 2, a: 1 } }, "run"],
    [{ constructor: null }, {}, "filtered"],
    // What every object inherits is no key of the payload, although it equals the filter.
    [JSON.parse('{"__proto__": {}}'), {}, "filtered"],
    [{ "0": "p" }, "pro", "filtered"],
    // As a JavaScript number, each of these would equal its neighbours.
    [parse('{"id": 175928847299117063}'), parse('{"id": 175928847299117063}'), "run"],
    [parse('{"id": 175928847299117063}'), parse('{"id": 175928847299117064}'), "filtered"],
    [parse('{"id": 175928847299117063}'), { id: { text: "175928847299117063" } }, "filtered"],
    [parse('{"id": [1e400]}'), parse('{"id": [10E399]}'), "run"],
    [parse('{"id": 1e400}'), parse('{"id": 1e401}'), "filtered"],
    [{ text: "12345678901234567890" }, parse("12345678901234567890"), "filtered"],
    // A path, where the payload has no key that is spelt so.
    [{ "a.b": 1 }, { a: { b: 1 } }, "run"],
    [{ "a.b.c": 1 }, { a: { b: { c: 1 } } }, "run"],
    [{ "a.b": 1 }, { a: { b: 2 } }, "filtered"],
    [{ "a.b": 1 }, { "a.b": 1 }, "run"],
    [{ "a.b": 1 }, { "a.b": 2, a: { b: 1 } }, "filtered"],
    [{ "a.b": 1 }, { "a.b": 1, a: { b: 2 } }, "run"],
    [{ "a.b": null }, { a: {} }, "filtered"],
    [{ "a.b": null }, { a: null }, "filtered"],
    [{ "a.": 1 }, { a: { "": 1 } }, "run"],
    [{ "a.0": 1 }, { a: [1] }, "filtered"],
    [{ "a.length": 1 }, { a: [1] }, "filtered"],
    [{ "0": 1 }, [1], "filtered"],
    [{ "a.text": "1e400" }, parse('{"a": 1e400}'), "filtered"],
    [{ "a.constructor.name": "Object" }, { a: {} }, "filtered"],
    [{ "__proto__.a": 1 }, {}, "filtered"],
    [{ "__proto__.a": 1 }, JSON.parse('{"__proto__": {"a": 1}}'), "run"],
    // A list stands for each of its items, and for itself.
    [{ tier: ["pro", "team"] }, { tier: "team" }, "run"],
    [{ tier: ["pro", "team"] }, { tier: ["pro", "team"] }, "run"],
    [{ tier: ["pro", "team"] }, { tier: "free" }, "filtered"],
    [{ tier: ["pro", "team"] }, { tier: ["team"] }, "filtered"],
    [{ tier: ["pro", "team"] }, {}, "filtered"],
    [{ tier: ["pro", null] }, { tier: null }, "run"],
    [{ tier: [] }, { tier: [] }, "run"],
    [{ tier: [] }, { tier: null }, "filtered"],
    [{ tier: [["pro"], { a: 1 }] }, { tier: ["pro"] }, "run"],
    [{ tier: [["pro"], { a: 1 }] }, { tier: { a: 1 } }, "run"],
    [{ tier: [["pro"], { a: 1 }] }, { tier: "pro" }, "filtered"],
    [{ "a.id": [1, 2] }, { a: { id: 2 } }, "run"],
    [parse('{"id": [1, 175928847299117063]}'), parse('{"id": 175928847299117063}'), "run"],
    [parse('{"id": [1, 175928847299117063]}'), parse('{"id": 175928847299117064}'), "filtered"],
  ])("%j and the payload %j: %s", (filters, payload, outcome) => {
    const index = indexSubscriptions([subscription("a", "x", filters)]);
    expect(matchEvent(index, eventOf("x", payload))[0]?.outcome).toBe(outcome);
  });

  test.each<[what: string, filters: Record<string, unknown>, payload: unknown, reason: string]>([
    ["the value that stood there", { tier: "pro" }, { tier: "free" }, 'payload.tier is "free", the filter wants "pro"'],
    ["another kind of value", { n: 1 }, { n: "1" }, 'payload.n is "1", the filter wants 1'],
    ["a key that is not there", { tier: "pro" }, {}, 'the payload has no key "tier", the filter wants "pro" there'],
    [
      "the first that does not hold",
      { a: 1, b: 2, c: 3 },
      { a: 1 },
      'the payload has no key "b", the filter wants 2 there',
    ],
    [
      "the value at the end of a path",
      { "customer.country": "DE" },
      { customer: { country: "FR" } },
      'payload.customer.country is "FR", the filter wants "DE"',
    ],
    [
      "where a path ends",
      { "customer.address.country": "DE" },
      {},
      'the payload has no key "customer", the filter wants "DE" at payload.customer.address.country',
    ],
    [
      "where a path ends within the payload",
      { "customer.address-2.country": "DE" },
      { customer: {} },
      'payload.customer has no key "address-2", the filter wants "DE" at payload.customer["address-2"].country',
    ],
    [
      "the key that is missing at the end of a path",
      { "customer.country": "DE" },
      { customer: {} },
      'payload.customer has no key "country", the filter wants "DE" there',
    ],
    [
      "what a path leads to in place of an object",
      { "customer.country": "DE" },
      { customer: ["DE"] },
      'payload.customer is ["DE"] and has no key "country", the filter wants "DE" there',
    ],
    [
      "each value that would do",
      { tier: ["pro", "team"] },
      { tier: "free" },
      'payload.tier is "free", the filter wants one of ["pro","team"]',
    ],
    ["an empty list", { tier: [] }, { tier: "free" }, 'payload.tier is "free", the filter wants []'],
    ["a key that is no name", { "a.b": 1 }, { "a.b": 2 }, 'payload["a.b"] is 2, the filter wants 1'],
    [
      "a key that every object inherits",
      { constructor: null },
      {},
      'the payload has no key "constructor", the filter wants null there',
    ],
    [
      "a payload that has no keys",
      { tier: "pro" },
      "pro",
      'the payload has no key "tier", the filter wants "pro" there',
    ],
    ["no payload", { tier: "pro" }, undefined, 'the payload has no key "tier", the filter wants "pro" there'],
    [
      "what no database keeps",
      { "a\u0000": "\ud800" },
      { "a\u0000": "\u0000" },
      'payload["a\\u0000"] is "\\u0000", the filter wants "\\ud800"',
    ],
    [
      "the beginning of a long value",
      { a: 1 },
      { a: `${"x".repeat(75)}😀😀` },
      `payload.a is "${"x".repeat(75)}\ufffd..., the filter wants 1`,
    ],
  ])("that do not hold name %s", (_, filters, payload, reason) => {
    const [match] = matchEvent(indexSubscriptions([subscription("a", "x", filters)]), eventOf("x", payload));
    expect(match).toMatchObject({ outcome: "filtered", reason });
  });

  test("of two activities each name what they themselves want", () => {
    const index = indexSubscriptions(["pro", "team"].map((tier) => subscription(tier, "x", { tier })));
    expect(matchEvent(index, eventOf("x", { tier: "free" })).map(({ reason }) => reason)).toEqual([
      'payload.tier is "free", the filter wants "pro"',
      'payload.tier is "free", the filter wants "team"',
    ]);
  });
});

describe("a condition", () => {
  const conditional = (when: string, filters?: Record<string, unknown>): SubscriptionRow => {
    const { trigger_config, ...row } = subscription(when, "x", filters);
    return { ...row, trigger_config: { ...trigger_config, when } };
  };
  const outcomeOfWhen = (when: string, payload: unknown) => {
    const [match] = matchEvent(indexSubscriptions([conditional(when)]), eventOf("x", payload));
    return [match?.outcome, match?.reason];
  };

  test.each<[when: string, payload: unknown, outcome: string, reason?: unknown]>([
    ["event.payload.seats > 3", { seats: 4 }, "run"],
    ["event.payload.seats > 3", { seats: 2 }, "filtered", "payload.seats is 2: event.payload.seats > 3 is false"],
    ["event.type == 'x' && event.source == 's'", undefined, "run"],
    ["event.subject == null && size(event.trace_id) == 32 && event.payload == {}", undefined, "run"],
    [
      "event.payload.seats > 3",
      {},
      "failed_expression",
      expect.stringMatching(/^event\.payload\.seats > 3: .*\bseats/),
    ],
    [
      "event.payload.seats",
      { seats: 4 },
      "failed_expression",
      "event.payload.seats is neither true nor false: it is 4",
    ],
    [
      "event.payload.on",
      { on: "true" },
      "failed_expression",
      'event.payload.on is neither true nor false: it is "true"',
    ],
    [
      "event.payload.n == 1",
      parse('{"n": 9007199254740993}'),
      "filtered",
      "payload.n is 9007199254740993: event.payload.n == 1 is false",
    ],
    [
      "has(event.payload.constructor)",
      {},
      "filtered",
      "payload.constructor is missing: has(event.payload.constructor) is false",
    ],
  ])("%s of the payload %j: %s", (when, payload, ...expected) => {
    expect<unknown>(outcomeOfWhen(when, payload)).toEqual([expected[0], expected[1]]);
  });

  test("that an earlier release took, and this one cannot read, fails for its own activity alone", () => {
    expect(outcomeOfWhen("event.payload.seats >", { seats: 4 })).toEqual([
      "failed_expression",
      expect.stringContaining("event.payload.seats >: at 1:"),
    ]);
    const index = indexSubscriptions([conditional("event.payload.seats >"), subscription("on", "x")]);
    expect(matchEvent(index, eventOf("x")).map(({ outcome }) => outcome)).toEqual(["failed_expression", "run"]);
  });

  test("that quotes the payload in its error is cut, and without characters that no database keeps", () => {
    const k = `a\u0000\ud800${"x".repeat(100_000)}`;
    const [outcome, reason = ""] = outcomeOfWhen("event.payload[event.payload.k] == 1", { k });
    expect([outcome, reason]).toEqual(["failed_expression", expect.stringContaining("a\\u0000\\ud800xxx")]);
    expect(reason.length).toBeLessThan(1_100);
  });

  test("may read each key that an event has, and a definition with another one is refused", () => {
    const value = toEventValue(eventOf("x"));
    const faultsOf = (key: string) => findExpressionFaults(`event.${key} == null`, "/when", TRIGGER_SCOPE);
    for (const key of Object.keys(value)) expect(faultsOf(key)).toEqual([]);
    expect(TRIGGER_SCOPE.names?.event).toHaveLength(Object.keys(value).length);
    expect(faultsOf("seats")).toMatchObject([{ path: "/when", message: expect.stringContaining("seats") }]);
  });

  test("is not asked where a filter does not hold", () => {
    const index = indexSubscriptions([conditional("event.payload.seats > 3", { tier: "pro" })]);
    expect(matchEvent(index, eventOf("x", { tier: "free" }))).toMatchObject([
      { outcome: "filtered", reason: 'payload.tier is "free", the filter wants "pro"' },
    ]);
  });
});

describe("a disabled definition", () => {
  test.each<[payload: unknown, expected: object]>([
    [{ tier: "pro" }, { outcome: "skipped", reason: "disabled" }],
    [{ tier: "free" }, { outcome: "filtered", reason: 'payload.tier is "free", the filter wants "pro"' }],
    [undefined, { outcome: "filtered", reason: 'the payload has no key "tier", the filter wants "pro" there' }],
  ])("with a filter on tier makes of the payload %j: %j", (payload, expected) => {
    const disabled = subscription("off", "x", { tier: "pro" }, false);
    expect(matchEvent(indexSubscriptions([disabled]), eventOf("x", payload))).toEqual([
      { activity_id: "off", activity_name: "off", ...expected } as never,
    ]);
  });

  test("holds up no other of its type", () => {
    const index = indexSubscriptions([subscription("off", "x", {}, false), subscription("on", "x")]);
    expect(matchEvent(index, eventOf("x")).map(({ outcome }) => outcome)).toEqual(["skipped", "run"]);
  });
});

test.each<[outcomes: Match["outcome"][], outcome: string]>([
  [[], "unmatched"],
  [["run"], "received"],
  [["filtered", "run", "skipped"], "received"],
  [["filtered"], "dispatched"],
  [["skipped"], "dispatched"],
  [["filtered", "skipped", "failed_expression"], "dispatched"],
])("an event of which activities make %j is recorded as %s", (outcomes, outcome) => {
  const reached = { activity_id: "a", activity_name: "a" };
  expect(outcomeOf(outcomes.map((each) => ({ ...reached, outcome: each })))).toBe(outcome as never);
});
