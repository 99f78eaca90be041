/** What an error is on the wire. */
import { expect, test } from "bun:test";
import { problemResponse } from "../../src/http/problem.ts";
import { RetryableError, TerminalError } from "../../src/kernel/errors.ts";

test.each<[string, Error, number, string | null]>([
  ["may be over later says when to try again", new RetryableError("nats_unavailable", "away"), 503, "5"],
  [
    "names a time for the next try says that time, in whole seconds",
    new RetryableError("stream_full", "full", { retryAfterMs: 29_500 }),
    503,
    "30",
  ],
  ["no later try helps with says nothing of one", new TerminalError("event_too_large", "too large"), 413, null],
])("an error that %s", (_, error, status, retryAfter) => {
  const response = problemResponse(error);
  expect([response.status, response.headers.get("retry-after")]).toEqual([status, retryAfter]);
});
