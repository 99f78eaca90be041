import { expect, test } from "bun:test";
import { inLines, inOneLine } from "../../src/kernel/printable.ts";

test("control characters are shown as escapes, tabs and the ends of lines only where one line is asked for", () => {
  const text = "a\nb\tc\u0000\u001b[2J\u007f\u0085\u009b é ✓";
  expect(inOneLine(text)).toBe("a\\nb\\tc\\u0000\\u001b[2J\\u007f\\u0085\\u009b é ✓");
  expect(inLines(text)).toBe("a\nb\tc\\u0000\\u001b[2J\\u007f\\u0085\\u009b é ✓");
});

test("JSON stays the same JSON", () => {
  const value = { "a\u009b": "b\u007f\n\u0085" };
  expect(JSON.parse(inLines(JSON.stringify(value)))).toEqual(value);
});
