import { describe, expect, test } from "bun:test";
import { indexSubscriptions, matchEvent, type Subscription } from "../../src/trigger/event/match.ts";

const subscription = (
  name: string,
  event_type: string,
  filters?: Record<string, unknown>,
  enabled = true,
): Subscription => ({
  activity_id: name,
  activity_name: name,
  enabled,
  trigger: { trigger_type: "event", event_type, ...(filters && { filters }) },
});
const eventOf = (type: string, payload?: unknown) => ({ event_id: "e", type, source: "s", occurred_at: "t", payload });

test("an event reaches each definition of its type and no other", () => {
  const index = indexSubscriptions(["a", "b"].map((name) => subscription(name, "x")).concat(subscription("c", "y")));
  expect(matchEvent(index, eventOf("x")).map(({ subscription }) => subscription.activity_name)).toEqual(["a", "b"]);
  expect(matchEvent(index, eventOf("z"))).toEqual([]);
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
    [{ "0": "p" }, "pro", "filtered"],
  ])("%j and the payload %j: %s", (filters, payload, outcome) => {
    const index = indexSubscriptions([subscription("a", "x", filters)]);
    expect(matchEvent(index, eventOf("x", payload))[0]?.outcome).toBe(outcome);
  });

  test("name the first of them that did not hold", () => {
    const index = indexSubscriptions([subscription("a", "x", { a: 1, b: 2 })]);
    expect(matchEvent(index, eventOf("x", { a: 1 }))[0]?.reason).toBe("payload.b differs from the filter");
  });
});

describe("a disabled definition", () => {
  test.each<[payload: unknown, expected: object]>([
    [{ tier: "pro" }, { outcome: "skipped", reason: "disabled" }],
    [{ tier: "free" }, { outcome: "filtered", reason: "payload.tier differs from the filter" }],
    [undefined, { outcome: "filtered", reason: "payload.tier differs from the filter" }],
  ])("with a filter on tier makes of the payload %j: %j", (payload, expected) => {
    const disabled = subscription("off", "x", { tier: "pro" }, false);
    expect(matchEvent(indexSubscriptions([disabled]), eventOf("x", payload))).toEqual([
      { subscription: disabled, ...expected } as never,
    ]);
  });

  test("holds up no other of its type", () => {
    const index = indexSubscriptions([subscription("off", "x", {}, false), subscription("on", "x")]);
    expect(matchEvent(index, eventOf("x")).map(({ outcome }) => outcome)).toEqual(["skipped", "run"]);
  });
});
