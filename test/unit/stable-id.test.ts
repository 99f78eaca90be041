import { describe, expect, test } from "bun:test";
import { childUuid, firstUuidAt, isUuid, stableTraceId } from "../../src/kernel/stable-id.ts";

const parent = "01976f2a-5b3c-7123-8abc-0123456789ab";

describe("the id of what follows from a row", () => {
  test("is the same from one release to the next", () => {
    expect(childUuid(parent, "task", "mail")).toBe("01976f2a-5b3c-8353-bafa-3458ad38d10b");
  });

  test("is a UUID of version 8 with the row's time", () => {
    const id = childUuid(parent, "task", "mail");
    expect(isUuid(id)).toBe(true);
    expect(id).toMatch(/^01976f2a-5b3c-8[0-9a-f]{3}-[89ab]/);
  });

  test("is another for another row, and for parts that only look the same when joined", () => {
    const other = parent.replace(/ab$/, "cd");
    const ids = [childUuid(parent, "a", "b"), childUuid(parent, "ab"), childUuid(parent, "a"), childUuid(other, "a")];
    expect(new Set(ids).size).toBe(4);
  });
});

test("new ids are in the order of their making, after the first id of their time", () => {
  const before = firstUuidAt(new Date());
  const ids = [Bun.randomUUIDv7(), Bun.randomUUIDv7(), Bun.randomUUIDv7()];
  expect([before, ...ids]).toEqual([before, ...ids].sort());
  expect(firstUuidAt(new Date(Date.now() + 1000)) > (ids[2] as string)).toBe(true);
});

test("a list since before the epoch begins at the first id of all", () => {
  expect(firstUuidAt(new Date(-1))).toBe("00000000-0000-0000-0000-000000000000");
});

describe("a trace id", () => {
  test("that W3C accepts is kept", () => {
    expect(stableTraceId("4bf92f3577b34da6a3ce929d0e0e4736")).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
  });

  test.each(["0".repeat(32), "4BF92F3577B34DA6A3CE929D0E0E4736", "abc", ""])(
    "%j becomes one, always the same",
    (text) => {
      expect(stableTraceId(text)).toMatch(/^[0-9a-f]{32}$/);
      expect(stableTraceId(text)).not.toBe(text);
      expect(stableTraceId(text)).toBe(stableTraceId(text));
    },
  );
});

test.each<[text: string, is: boolean]>([
  [parent, true],
  [parent.toUpperCase(), true],
  [parent.slice(1), false],
  [`${parent}\n`, false],
  ["", false],
])("that %j is a UUID is %p", (text, is) => {
  expect(isUuid(text)).toBe(is);
});
