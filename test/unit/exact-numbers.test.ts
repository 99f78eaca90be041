/** JSON whose numbers a double would change, from the text to the text. */
import { describe, expect, test } from "bun:test";
import { compareNumbers, ExactNumber, isMultipleOf, isWhole, readNumber } from "../../src/json/exact-number.ts";
import { NumberFaultError, parseJson } from "../../src/json/parse.ts";
import { createRandom } from "../support/cron-samples.ts";
import { startProcessorTime } from "../support/processor-time.ts";

type Revive = (key: string, value: unknown, context: { source?: string }) => unknown;
const parseWithSources = JSON.parse as (text: string, revive: Revive) => unknown;
const kept = (literal: string) => readNumber(literal) as number | ExactNumber;

describe("a number that a double changes is printed as it was read", () => {
  const changed = [
    "9007199254740993",
    "-9007199254740993",
    "175928847299117063",
    "1234567890123456789",
    "123456789012345678901234567890123456789012345678901234567890",
    "1e+400",
    "-1.5e-400",
    "0.12345678901234567",
    "1234567890123456.75",
    "3.141592653589793238462643383279",
    "1.00000000000000000001",
  ];
  test.each(changed)("%s", (literal) => {
    expect(kept(literal)).toBeInstanceOf(ExactNumber);
    for (const text of [literal, `[${literal}]`, `{"a":{"b":[1,${literal},"x"]}}`])
      expect(JSON.stringify(parseJson(text))).toBe(text);
  });
});

test("a number that a double keeps is a plain number, however it is written", () => {
  const literals = ["0", "-1", "1.5", "1e3", "9007199254740991", "9007199254740992", "1e23", "1.7976931348623157e308"];
  for (const literal of [...literals, "5e-324", "0.1000000000000000000", "1000000000000000000000000"]) {
    expect(kept(literal)).toBe(Number(literal));
    expect(parseJson(`{"n": ${literal}}`)).toEqual({ n: Number(literal) });
  }
});

test("one value has one form, however it is written", () => {
  for (const [a, b] of [
    ["1e400", "10.0E399"],
    ["9007199254740993", "9007199254740993.000"],
    ["9007199254740993", "9007199254740993e0"],
    ["90071992547409930", "9.007199254740993e+16"],
    ["0.12345678901234567", "12345678901234567E-17"],
    ["1234567890123456.789", "12345678901234567890e-4"],
  ] as const)
    expect(Bun.deepEquals([kept(a)], [kept(b)], true)).toBe(true);
  expect(Bun.deepEquals(kept("175928847299117063"), kept("175928847299117064"), true)).toBe(false);
  expect(Bun.deepEquals(kept("9007199254740993"), 9007199254740992, true)).toBe(false);
  // An object that looks like one of ours is none.
  expect(Bun.deepEquals(kept("9007199254740993"), { text: "9007199254740993" }, true)).toBe(false);
});

test("minus zero is zero, however it is written", () => {
  for (const literal of ["-0", "-0.0", "-0e5", "-0.000E-7", "-0e400"]) {
    expect(Object.is(kept(literal), 0)).toBe(true);
    for (const text of [literal, `[${literal}]`, `{"a":{"b": ${literal}}}`, `[1,\n${literal},9007199254740993]`])
      expect(Bun.deepEquals(parseJson(text), parseJson(text.replace(literal, "0")), true)).toBe(true);
  }
  expect(parseJson("[-0.5,-0.05e1,-1,1e-0,-0.0,2E-00]")).toEqual([-0.5, -0.5, -1, 1, 0, 2]);
  expect(parseJson('{"a: -0":" -0","b":-0,"c":["-0",1e250]}')).toEqual({ "a: -0": " -0", b: 0, c: ["-0", 1e250] });
});

test("a text is read like JSON.parse reads it, but for such numbers", () => {
  const texts = [
    '{"a":1,"a":12345678901234567890,"a":2}',
    '{"__proto__":12345678901234567890,"b":"12345678901234567890"}',
    '"at 12345678901234567890"',
    '{"1234567890123456":[]}',
    '{"id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","n":0,"at":"2026-01-31T09:30:00.000000000Z"}',
    '["1e400",null,true,[]]',
  ];
  for (const text of texts)
    expect(JSON.stringify(parseJson(text))).toBe(text.replace('"a":1,"a":12345678901234567890,', ""));
  expect(() => parseJson("[1")).toThrow(SyntaxError);
});

test("whatever the text, it is what JSON.parse and the source of each number make of it", () => {
  const random = createRandom(7);
  const pick = <T>(...options: T[]) => options[Math.floor(random() * options.length)] as T;
  const digits = (most: number) =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => pick(..."0123456789")).join("");
  const number = () =>
    pick("", "-") +
    pick("0", `${pick(..."123456789")}${digits(20)}`, pick(..."123456789")) +
    pick("", "", `.${digits(20)}`) +
    pick("", "", `${pick("e", "E")}${pick("", "+", "-")}${digits(4)}`);
  const string = () =>
    `"${Array.from({ length: Math.floor(random() * 4) }, () => pick('\\"', "\\\\", "\\u0000", number(), "é", ": ", "1e999", "x")).join("")}"`;
  const value = (depth: number): string => {
    const inside = () => Array.from({ length: Math.floor(random() * 4) }, () => value(depth - 1));
    if (depth === 0) return pick(number(), string(), pick("null", "true", "[]"));
    return pick(
      number(),
      string(),
      `[${inside().join(pick(",", " ,\n"))}]`,
      `{${inside()
        .map((each) => `${pick(string(), '"1"', '"__proto__"')}:${each}`)
        .join(",")}}`,
    );
  };
  let exact = 0;
  for (let round = 0; round < 1_000; round++) {
    const text = value(3);
    const expected = parseWithSources(text, (_, inner, { source = "" }) =>
      typeof inner === "number" ? readNumber(source) : inner,
    );
    if (!Bun.deepEquals(parseJson(text), expected, true)) throw new Error(`another value of ${text}`);
    if (JSON.stringify(expected) !== JSON.stringify(JSON.parse(text))) exact++;
  }
  expect(exact).toBeGreaterThan(100);
});

test("nesting without end is no reason to fail, also beside such numbers", () => {
  const text = `[1e400,12345678901234567890,${"[".repeat(200_000)}${"]".repeat(200_000)}]`;
  expect(Array.isArray(parseJson(text))).toBe(true);
});

test("a number with an absurd exponent is refused by its path", () => {
  const literal = `1e${"9".repeat(100)}`;
  expect(() => parseJson(`{"payload":{"a/b":[1,${literal}]}}`)).toThrow(
    new NumberFaultError({ path: "/payload/a~1b/1", message: `1e${"9".repeat(35)}... is beyond what can be kept` }),
  );
});

test("a million digits are read in time that grows with their number", () => {
  const digits = `1${"0".repeat(500_000)}1${"0".repeat(500_000)}`;
  const begun = performance.now();
  const value = parseJson(`[${digits}]`) as [ExactNumber];
  expect(isMultipleOf(value[0], 3)).toBe(false);
  expect(performance.now() - begun).toBeLessThan(2000);
});

test("a megabyte of such numbers is read in time that grows with their number, strings or none between them", () => {
  for (const item of ["1e400", '"\\\\",12345678901234567', '"12345678901234567"', "0"]) {
    const text = `[${`${item},`.repeat(1_000_000 / (item.length + 1))}12345678901234567]`;
    const worked = startProcessorTime();
    expect((parseJson(text) as unknown[]).at(-1)).toBeInstanceOf(ExactNumber);
    expect(worked()).toBeLessThan(2_000);
  }
});

test("numbers are compared by their values", () => {
  const ascending = [
    "-1e400",
    "-9007199254740993",
    "-9007199254740992",
    "-1e-400",
    "0",
    "1e-400",
    "0.1",
    "0.10000000000000000001",
    "9007199254740992",
    "9007199254740993",
    "90071992547409921",
    "1e400",
    "1.1e400",
  ].map(kept);
  for (const [i, a] of ascending.entries())
    for (const [j, b] of ascending.entries()) expect(Math.sign(compareNumbers(a, b)) === Math.sign(i - j)).toBe(true);
});

test("whole numbers and multiples are told by their digits", () => {
  expect(["9007199254740993", "1e400", "2"].map((each) => isWhole(kept(each)))).toEqual([true, true, true]);
  expect(["9007199254740993.5", "1e-400", "0.5"].map((each) => isWhole(kept(each)))).toEqual([false, false, false]);
  const multiple = (value: string, divisor: string) => isMultipleOf(kept(value), kept(divisor));
  expect(multiple("9007199254740993", "3")).toBe(true);
  expect(multiple("9007199254740993", "2")).toBe(false);
  expect(multiple("9007199254740993", "9007199254740993")).toBe(true);
  expect(multiple("18014398509481986", "9007199254740993")).toBe(true);
  expect(multiple("1e400", "1000")).toBe(true);
  expect(multiple("1e400", "3")).toBe(false);
  expect(multiple("12345678901234567.25", "0.05")).toBe(true);
  expect(multiple("12345678901234567.25", "0.5")).toBe(false);
  expect(multiple("1e-400", "1")).toBe(false);
  expect(multiple("0", "9007199254740993")).toBe(true);
});
