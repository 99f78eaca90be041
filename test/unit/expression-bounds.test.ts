import { expect, test } from "bun:test";
import { compileExpression, findExpressionFaults } from "../../src/expression/expression.ts";
import { ExpressionError } from "../../src/expression/expression-error.ts";
import { createRandom, generateExpression, hostilePayload } from "../support/generated-expressions.ts";

const scope = {
  roots: ["event", "trigger", "tasks", "item", "index", "now", "secret"],
  names: { tasks: ["mail"] },
};
const values = {
  event: { payload: hostilePayload() },
  now: "2026-03-29T10:00:00Z",
  trigger: { fired_at: "2026-03-29T10:00:00Z" },
  item: { a: 1 },
  index: 3,
  secret: { KEY: "s3cret" },
  tasks: { mail: { status: "succeeded" } },
};

/** ACTCORE_TEST_EXPRESSIONS is for a longer run. */
const COUNT = Number(process.env.ACTCORE_TEST_EXPRESSIONS ?? 1_000);
const MAX_MS = 250;

/** Milliseconds for which this thread is at work. */
function measure(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage();
  return (user + system - before.user - before.system) / 1_000;
}

test("generated expressions have a result or a fault with its path, none takes longer than 250 ms, and no prototype changes", () => {
  const random = createRandom(12);
  const slow: string[] = [];
  let [longest, refused, failed] = [0, 0, 0];
  for (let made = 0; made < COUNT; made++) {
    const text = generateExpression(random);
    const took = measure(() => {
      const faults = findExpressionFaults(text, "/when", scope);
      for (const fault of faults) if (fault.path !== "/when" || fault.message === "") slow.push(`no path: ${text}`);
      refused += faults.length > 0 ? 1 : 0;
      try {
        JSON.stringify(compileExpression(text, scope).evaluate(values));
        if (faults.length > 0) slow.push(`evaluates, though it is refused: ${text}`);
      } catch (error) {
        if (!(error instanceof ExpressionError)) slow.push(`${error} of ${text}`);
        failed += faults.length === 0 ? 1 : 0;
      }
    });
    longest = Math.max(longest, took);
    if (took > MAX_MS) slow.push(`${took} ms: ${text.slice(0, 300)}`);
  }
  if (COUNT > 1_000) console.log({ COUNT, refused, failed, longest });
  expect(slow).toEqual([]);
  expect(refused).toBeGreaterThan(COUNT / 10);
  expect(COUNT - refused).toBeGreaterThan(COUNT / 10);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
}, 600_000);
