import { describe, expect, test } from "bun:test";
import { contentOf, findDifferences } from "../../src/event/content.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { parseJson } from "../../src/json/parse.ts";

const envelope: EventEnvelope = {
  event_id: "e",
  type: "order.paid",
  source: "shop",
  occurred_at: "2026-01-31T09:30:00Z",
  subject: "orders/1",
  payload: { total: 10, lines: [{ a: 1, b: 2 }] },
};

test("what is recorded has null for no subject, and an empty object for no payload", () => {
  expect(contentOf({ event_id: "e", type: "t", source: "s", occurred_at: "2026-01-31T09:30:00Z" })).toEqual({
    ...{ type: "t", source: "s", subject: null, payload: {} },
  });
});

describe("a message repeats a recorded event", () => {
  test.each<[what: string, recorded: object, repeated: object]>([
    ["that says the same", {}, {}],
    ["with its keys in another order", {}, { payload: { lines: [{ b: 2, a: 1 }], total: 10 } }],
    ["that occurred at another time, as a sender has it that tries again", {}, { occurred_at: "2026-01-31T09:30:01Z" }],
    ["that belongs to another trace", { trace_id: "a" }, { trace_id: "b" }],
    ["without a payload, which is an empty object", { payload: undefined }, { payload: {} }],
    ["without a subject", { subject: undefined }, { subject: undefined }],
    ["with a zero that is negative, which the ledger does not keep", { payload: 0 }, { payload: -0 }],
    [
      "with a key that is like a prototype",
      { payload: JSON.parse('{"__proto__": 1}') },
      { payload: JSON.parse('{"__proto__": 1}') },
    ],
  ])("%s", (_, recorded, repeated) => {
    expect(findDifferences(contentOf({ ...envelope, ...recorded }), { ...envelope, ...repeated })).toEqual([]);
  });
});

describe("a message differs from a recorded event", () => {
  test.each<[fields: string[], rest: object]>([
    [["type"], { type: "order.refunded" }],
    [["source"], { source: "other shop" }],
    [["subject"], { subject: "orders/2" }],
    [["subject"], { subject: undefined }],
    [["payload"], { payload: { total: 11, lines: [{ a: 1, b: 2 }] } }],
    [["payload"], { payload: { total: "10", lines: [{ a: 1, b: 2 }] } }],
    [["payload"], { payload: { total: 10, lines: [{ a: 1, b: 2 }], more: null } }],
    [["payload"], { payload: null }],
    [["payload"], { payload: undefined }],
    [["type", "source", "subject", "payload"], { type: "a", source: "b", subject: "c", payload: [] }],
  ])("in %j", (fields, rest) => {
    expect(findDifferences(contentOf(envelope), { ...envelope, ...rest })).toEqual(fields as never);
  });

  test("but not in its subject where that was not recorded", () => {
    const { subject: _, ...recorded } = contentOf(envelope);
    expect(findDifferences(recorded, { ...envelope, subject: "orders/2" })).toEqual([]);
  });

  test("in the order of a list", () => {
    const listing = (payload: unknown) => ({ ...envelope, payload });
    expect(findDifferences(contentOf(listing([1, 2])), listing([2, 1]))).toEqual(["payload"]);
  });

  test("in an integer that no double holds", () => {
    const [first, second] = ["9007199254740993", "9007199254740992"].map((id) => ({
      ...envelope,
      payload: parseJson(`{"id": ${id}}`),
    })) as [EventEnvelope, EventEnvelope];
    expect(findDifferences(contentOf(first), second)).toEqual(["payload"]);
    expect(findDifferences(contentOf(first), { ...first, payload: parseJson('{"id": 9007199254740993}') })).toEqual([]);
  });

  test("in a key that is like a prototype", () => {
    const proto = { ...envelope, payload: JSON.parse('{"__proto__": 1}') };
    expect(findDifferences(contentOf(proto), { ...envelope, payload: {} })).toEqual(["payload"]);
  });
});
