/** Temporal's native core refuses a message whose text is no UTF-8, and ends its worker (deploy/patches/README.md). */
import { expect, test } from "bun:test";
import { temporal } from "@temporalio/proto";

const { Failure } = temporal.api.failure.v1;
/** Where the text begins in a message that has nothing else: behind a tag, and a length of one byte or two. */
const startOf = (bytes: Uint8Array) => ((bytes[1] as number) < 0x80 ? 2 : 3);

test.each([
  ["of a short text", "\ud800 and \ude00"],
  ["of a pair's first half twice", "\ud83d\ud83d\ude00"],
  ["of 60 characters", `${"x".repeat(59)}\ud83d`],
  ["of 200 characters", `${"x".repeat(199)}\ud83d`],
  ["of whole characters", "ü, € and 😀"],
])("half of a surrogate pair is written as U+FFFD, and all else as it is: %s", (_, message) => {
  const bytes = Failure.encode({ message }).finish();
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(startOf(bytes)));
  expect(text).toBe(message.toWellFormed());
});
