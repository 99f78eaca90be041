/** Which types an event_type stands for, asked of one pattern, and of an index of many. */
import { describe, expect, test } from "bun:test";
import { createTypeIndex } from "../../src/match/type-index.ts";
import { compileTypePattern, findTypePatternFaults, matchesType } from "../../src/match/type-pattern.ts";

const CASES: [pattern: string, matching: string[], others: string[]][] = [
  ["user.created", ["user.created"], ["user", "user.created.now", "user.Created", "user.*"]],
  ["user.*", ["user.created", "user.", "user.*", "user.**"], ["user", "user.created.now", "account.created"]],
  ["*.created", ["user.created", ".created"], ["created", "a.user.created", "user.deleted"]],
  ["a.*.c", ["a.b.c", "a..c"], ["a.c", "a.b.c.d", "a.b.d"]],
  ["*", ["user", "*"], ["user.created"]],
  ["user.**", ["user.created", "user.created.now", "user.", "user.**"], ["user", "users.created"]],
  ["*.b.**", ["a.b.c", "a.b.c.d"], ["a.b", "a.c.d"]],
  ["**", ["user", "user.created", "."], []],
  // No definition may have these now. One that an earlier release stored means the type that equals its text.
  ["user.cre*", ["user.cre*"], ["user.created"]],
  ["**.created", ["**.created"], ["user.created"]],
  ["a.***", ["a.***"], ["a.b"]],
];

describe.each(CASES)("the event type %s", (text, matching, others) => {
  test("stands for the types that it describes and for no other", () => {
    const found = [...matching, ...others].filter((type) => matchesType(compileTypePattern(text), type));
    expect(found).toEqual(matching);
  });
});

test("an asterisk that stands for a part of a segment, or for what stands in the middle, is a fault", () => {
  for (const text of ["user.*", "**", "*.*", "a.**", "it costs 5.00", "a..b"])
    expect(findTypePatternFaults(text, "/event_type")).toEqual([]);
  const partly = (segment: string) =>
    `* stands for a whole segment between dots (** at the end for the rest), not for a part of one as in "${segment}"`;
  const faults: [text: string, message: string][] = [
    ["user.cre*", partly("cre*")],
    ["**a", partly("**a")],
    ["a.***", partly("***")],
    ["**.created", "** stands for the rest of the type, so nothing may follow it"],
    ["a.**.**", "** stands for the rest of the type, so nothing may follow it"],
  ];
  for (const [text, message] of faults)
    expect(findTypePatternFaults(text, "/event_type")).toEqual([
      { path: "/event_type", message: `"${text}": ${message}` },
    ]);
});

test("an index finds of ten thousand patterns each that stands for a type, and no other", () => {
  let seed = 12;
  const below = (limit: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * limit);
  };
  const pick = (...choices: string[]) => choices[below(choices.length)] as string;
  const compose = (...choices: string[]) => Array.from({ length: 1 + below(4) }, () => pick(...choices)).join(".");
  const patterns = Array.from({ length: 10_000 }, () =>
    compileTypePattern(compose("a", "b", "", "*") + pick("", "", "", ".**")),
  );
  const index = createTypeIndex(patterns, (pattern) => pattern);
  let matched = 0;
  for (let round = 0; round < 100; round++) {
    const type = compose("a", "b", "", "*");
    const expected = patterns.filter((pattern) => matchesType(pattern, type));
    matched += expected.length;
    const found = index.find(type);
    expect(new Set(found)).toEqual(new Set(expected));
    expect(found).toHaveLength(expected.length);
  }
  expect(matched).toBeGreaterThan(1000);
});
