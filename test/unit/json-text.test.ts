import { expect, test } from "bun:test";
import { findJsonFault } from "../../src/json/json-text.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test("what is JSON and what is not is what JSON.parse says, of 20,000 texts that were damaged by chance", () => {
  const whole = '{"a": [1, -2.5e+3, "x\\u00e9\\"", true, null, {}], "b": {"c": [[], ""]}}';
  const pieces = [
    "",
    ",",
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    "0",
    "-",
    ".",
    "e",
    "\\",
    " ",
    "\n",
    "true",
    "nul",
    "\u0001",
    "ü",
  ];
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  let good = 0;
  for (let n = 0; n < 20_000; n++) {
    let text = whole;
    for (let changes = random(3); changes >= 0; changes--) {
      const at = random(text.length + 1);
      text = text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at + random(3));
    }
    const valid = isJson(text);
    if (valid) good++;
    expect([text, findJsonFault(text) === undefined]).toEqual([text, valid]);
  }
  expect(good).toBeGreaterThan(500);
});

test("a text of a megabyte is read to its end", () => {
  expect(findJsonFault(JSON.stringify("x".repeat(1_000_000)))).toBeUndefined();
  expect(findJsonFault(`[${"1,".repeat(500_000)}1]`)).toBeUndefined();
  expect(findJsonFault(`${"[".repeat(500_000)}`)?.offset).toBe(499_999);
});
