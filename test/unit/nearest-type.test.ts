/** Which listened-to type an unmatched one is told of. */
import { expect, test } from "bun:test";
import { findListening, findNearestType } from "../../src/explain/nearest-type.ts";

const listened = (...types: string[]) =>
  types.map((event_type, n) => ({ event_type, activity_id: `id-${n}`, activity_name: `a-${n}`, enabled: n !== 1 }));

test.each([
  ["ordre.created", "order.created"],
  ["order_created", "order.created"],
  ["Order.Created", "order.created"],
  ["shop.eu.order.create", "shop.*.order.created"],
  ["usr.signup.v2", "user.**"],
])("%s is nearest to %s", (type, nearest) => {
  const types = listened("order.created", "payment.settled", "shop.*.order.created", "user.**");
  expect(findNearestType(type, types)?.event_type).toBe(nearest);
});

test("a type that is like none is nearest to none", () => {
  expect(findNearestType("temperature", listened("order.created", "user.**"))).toBeUndefined();
  expect(findNearestType("temperature", [])).toBeUndefined();
});

test("of several that are equally near, an enabled one is told", () => {
  const [, disabled, enabled] = listened("other", "order.created", "order.created");
  expect(
    findNearestType(
      "order.creatd",
      [disabled, enabled].filter((one) => one !== undefined),
    )?.activity_id,
  ).toBe("id-2");
});

test("what waits for a type by now is found by types and patterns alike", () => {
  const types = listened("user.created", "user.*", "order.*");
  expect(findListening("user.created", types).map(({ event_type }) => event_type)).toEqual(["user.created", "user.*"]);
});
