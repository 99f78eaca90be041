/** Retry-After: seconds or a date; what names no time in the future leaves the wait to the task's own policy. */
import { expect, test } from "bun:test";
import { toFailure } from "../../src/activities/translate.ts";
import { RetryableError } from "../../src/kernel/errors.ts";
import { parseRetryAfter } from "../../src/outbound/retry-after.ts";

const NOW = Date.parse("2026-11-06T08:49:37Z");
const MINUTE = 60_000;
const DAY = 86_400_000;

test.each<[header: string | null, ms: number | undefined]>([
  ["7", 7000],
  [" 7 ", 7000],
  ["999999", DAY],
  ["99999999999999999999999", DAY],
  ["Fri, 06 Nov 2026 08:50:37 GMT", MINUTE],
  ["Friday, 06-Nov-26 08:50:37 GMT", MINUTE],
  ["Fri Nov  6 08:50:37 2026", MINUTE],
  ["Sun, 06 Nov 2050 08:49:37 GMT", DAY],
  ["0", undefined],
  ["00", undefined],
  ["Fri, 06 Nov 2026 08:49:37 GMT", undefined],
  ["Fri, 06 Nov 2026 08:48:37 GMT", undefined],
  ["Fri Nov  6 08:48:37 2026", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["7 seconds", undefined],
  ["2026-11-06T09:49:37Z", undefined],
  ["", undefined],
  [null, undefined],
])("Retry-After: %s waits for %p ms", (header, ms) => {
  expect(parseRetryAfter(header, NOW)).toBe(ms as number);
});

test("a wait of zero is not told to the engine, which would take it for no further try", () => {
  expect(toFailure(new RetryableError("x", "y", { retryAfterMs: 0 }))).toMatchObject({ nextRetryDelay: undefined });
  expect(toFailure(new RetryableError("x", "y", { retryAfterMs: 5 }))).toMatchObject({ nextRetryDelay: 5 });
});
