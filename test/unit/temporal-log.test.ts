import { expect, test } from "bun:test";
import { translateEntry } from "../../src/temporal/runtime.ts";

/** An error as it comes out of a workflow's thread: without its class. */
function failure(name: string, message: string, cause?: Error) {
  const error = new Error(message, { cause });
  error.stack = `${name}: ${message}\n    at RunActivityWorkflow (/workflow-bundle-5a58.js:10765:124)`;
  return { level: "WARN" as const, message: "Workflow failed", meta: { workflowId: "w", error } };
}

test("the workflow of a failed run is not told of again", () => {
  expect(translateEntry(failure("ApplicationFailure", "task_failed"))).toBeUndefined();
});

test("a workflow that failed otherwise is told of by its cause, without a stack of the workflow's code", () => {
  const cause = new Error("there is no definition d");
  expect(translateEntry(failure("ActivityFailure", "Activity task failed", cause))).toEqual({
    level: "warn",
    fields: { workflow_id: "w", reason: "Activity task failed: there is no definition d" },
    message: "workflow failed",
  });
});

test("what the SDK says of itself is for debugging, and its warnings stay", () => {
  expect(translateEntry({ level: "INFO", message: "Worker state changed", meta: { state: "RUNNING" } })?.level).toBe(
    "debug",
  );
  expect(translateEntry({ level: "WARN", message: "x", meta: { a: 1 } })).toEqual({
    level: "warn",
    fields: { a: 1 },
    message: "x",
  });
});
