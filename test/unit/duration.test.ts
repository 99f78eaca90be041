import { expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { DurationSchema, parseDuration } from "../../src/calendar/duration.ts";

const schema = DurationSchema({ description: "" });

test.each<[written: string | number, ms: number]>([
  ["90s", 90_000],
  ["5m", 300_000],
  ["1h30m", 5_400_000],
  ["250ms", 250],
  ["1m250ms", 60_250],
  ["2d", 172_800_000],
  ["1.5s", 1500],
  [30, 30_000],
  [0.25, 250],
  [0, 0],
])("%p is %p ms", (written, ms) => {
  expect(Value.Check(schema, written)).toBe(true);
  expect(parseDuration(written)).toBe(ms);
});

test.each([
  "",
  "5",
  "5 m",
  "-5s",
  "5x",
  "m",
  "1h 30m",
  "1e3s",
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  null,
  true,
  "9".repeat(40),
])("%p is no duration", (written) => {
  expect(Value.Check(schema, written)).toBe(false);
});
