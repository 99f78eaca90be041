/** What `flow` and `dedupe_key_strategy` of a definition may say, and what they mean. */
import { expect, test } from "bun:test";
import { compileDedupe, compileFlow, findDedupeFaults, findFlowFaults, isGated } from "../../src/definition/flow.ts";
import { compileChecked } from "../../src/expression/expression.ts";
import { evaluateKey } from "../../src/flow/flow-key.ts";
import { parseJson } from "../../src/json/parse.ts";

test("a debounce that is written as a duration means the same as its long form", () => {
  const long = compileFlow({ debounce: { quiet: "5m", max_wait: "1h" } });
  expect(compileFlow({ debounce: "5m", max_wait: "1h" })).toEqual(long as never);
  expect(long).toEqual({ collector: { kind: "debounce", quietMs: 300_000, maxWaitMs: 3_600_000 } });
});

test("a debounce without max_wait ends at the latest after ten times its quiet time", () => {
  expect(compileFlow({ debounce: "2s" })?.collector).toMatchObject({ maxWaitMs: 20_000 });
});

test("a number of concurrent runs queues what is above it", () => {
  const flow = compileFlow({ max_concurrent_runs: 2 });
  expect(flow).toEqual({ maxConcurrent: { count: 2, onExcess: "queue" } });
  expect([isGated(flow), isGated(compileFlow({ debounce: "5m" })), isGated(undefined)]).toEqual([true, false, false]);
});

const wrong: [string, Parameters<typeof findFlowFaults>[0], boolean, string][] = [
  ["a debounce beside a batch", { debounce: "5m", batch: { size: 10, within: "1m" } }, true, "/flow/batch"],
  ["a max_wait shorter than the quiet time", { debounce: { quiet: "5m", max_wait: "1m" } }, true, "/flow/debounce"],
  ["a max_wait without a debounce", { max_wait: "1m", max_concurrent_runs: 1 }, true, "/flow/max_wait"],
  ["a debounce of due times", { debounce: "5m" }, false, "/flow/debounce"],
  ["a rate limit of due times", { rate_limit: { count: 1, per: "1m" } }, false, "/flow/rate_limit"],
  [
    "a key where there is no event",
    { max_concurrent_runs: { count: 1, key: "event.subject" } },
    false,
    "/flow/max_concurrent_runs/key",
  ],
  [
    "a key that reads what is not there yet",
    { batch: { size: 2, within: "1m", key: "context.a" } },
    true,
    "/flow/batch/key",
  ],
  [
    "a drop of what was gathered",
    { debounce: "5m", rate_limit: { count: 1, per: "1m", on_excess: "drop" } },
    true,
    "/flow/rate_limit/on_excess",
  ],
  [
    "two gates with different keys",
    { rate_limit: { count: 1, per: "1m", key: "event.subject" }, max_concurrent_runs: { count: 1, key: "event.type" } },
    true,
    "/flow/max_concurrent_runs/key",
  ],
];
test.each(wrong)("a flow is refused that has %s", (_, flow, hasEvents, path) => {
  expect(findFlowFaults(flow, hasEvents).map((fault) => fault.path)).toEqual([path]);
});

test("one concurrent run is all that an activity with due times may ask for", () => {
  expect(findFlowFaults({ max_concurrent_runs: 1 }, false)).toEqual([]);
});

test("a dedupe key without a window counts as long as keys are kept", () => {
  expect(compileDedupe("event_id")).toBeUndefined();
  expect(compileDedupe("subject")).toMatchObject({ key: { text: "event.subject" }, windowMs: undefined });
  expect(compileDedupe({ key: "event.payload.id", window: "1h" })).toMatchObject({ windowMs: 3_600_000 });
  expect(findDedupeFaults({ key: "event.payload.id", window: "1h" }, true)).toEqual([]);
  expect(findDedupeFaults("subject", false).map(({ path }) => path)).toEqual(["/dedupe_key_strategy"]);
});

test("a key is the same text for the same value, no text where that is null, and refused where it is a list or an object", () => {
  const keyOf = (payload: unknown) => evaluateKey(compileChecked("event.payload"), { event: { payload } });
  expect(keyOf(1)).toBe(keyOf(1.0) as string);
  expect(keyOf("1")).not.toBe(keyOf(1) as string);
  expect(keyOf(parseJson("9007199254740993"))).toBe("9007199254740993");
  for (const value of [[1], { a: 1 }]) expect(() => keyOf(value)).toThrow("and no key");
  expect(keyOf(null)).toBeUndefined();
  expect(Buffer.byteLength(keyOf("x".repeat(1_000)) as string)).toBeLessThanOrEqual(200);
});
