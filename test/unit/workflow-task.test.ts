/** Which workflows a task may start, and with what. */
import { describe, expect, test } from "bun:test";
import { parseDefinition } from "../../src/definition/validate.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import {
  labelQueue,
  ORCHESTRATOR_QUEUE,
  RUN_ACTIVITY_WORKFLOW,
  TASK_QUEUE,
  taskWorkflowId,
} from "../../src/run/run.ts";
import { createParamsCheck } from "../../src/task/params-check.ts";
import { TASK_WORKFLOWS } from "../../src/task/task.ts";
import { showParams } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const GOOD = { workflow: "RenderReport", task_queue: "reports" };

function faultsOf(params: object, template: object = {}): string[] {
  const task = { key: "a", type: "workflow", params: { ...GOOD, ...params }, ...template };
  const trigger_config = { trigger_type: "event", event_type: "a" };
  try {
    parseDefinition({ name: "a", trigger_config, task_templates: [task] }, TASK_RULES);
    return [];
  } catch (error) {
    return (error as InvalidInputError).faults.map(({ path, message }) => `${path.slice(18)} ${message}`);
  }
}

test("a workflow on a queue of the user's own is taken, and each param may be computed", () => {
  expect(faultsOf({})).toEqual([]);
  const computed = "{{ event.payload.x }}";
  expect(
    faultsOf({ workflow: computed, task_queue: computed, workflow_id: computed, args: [{ a: computed }] }),
  ).toEqual([]);
});

test.each([ORCHESTRATOR_QUEUE, TASK_QUEUE, labelQueue("backup"), "/_sys/x", "__sticky__x"])(
  "the queue %s is refused",
  (task_queue) => {
    expect(faultsOf({ task_queue })).toEqual([
      expect.stringMatching(/^params\/task_queue ".*"(: the engine keeps| is actcore's own)/),
    ]);
  },
);

test.each([RUN_ACTIVITY_WORKFLOW, ...TASK_WORKFLOWS])("the workflow %s is refused", (workflow) => {
  expect(faultsOf({ workflow })).toEqual([expect.stringContaining("is actcore's own")]);
});

test("the ids of actcore's own workflows are refused", () => {
  for (const workflow_id of [taskWorkflowId("x"), "activity-x:e"])
    expect(faultsOf({ workflow_id })).toEqual([expect.stringContaining("is actcore's own")]);
});

describe("once expressions are evaluated", () => {
  const check = createParamsCheck(TASK_RULES);
  const checked = (params: object) =>
    check("workflow", { ...GOOD, ...params }, { "/task_queue": { text: "{{ event.payload.queue }}" } }, "/params");

  test("the same queues are refused", () => {
    expect(checked({ task_queue: TASK_QUEUE })).toEqual({
      fault: `/params/task_queue "${TASK_QUEUE}" is actcore's own: name a queue that your workers poll`,
    });
  });

  test("more arguments than the engine takes are refused", () => {
    expect(checked({ args: ["ä".repeat(500_000)] })).toEqual({
      fault: "/params/args have 1000004 bytes, and may have 1000000: tell the workflow where the data is",
    });
    expect(checked({ args: ["a".repeat(999_990)] })).toHaveProperty("params");
  });
});

test("no secret is handed over, however deep it stands", () => {
  const args = ["plain", { list: ["token {{ secret.TOKEN }}"] }];
  expect(faultsOf({ args })).toEqual([expect.stringMatching(/^params\/args\/1\/list\/0 a workflow gets no secret/)]);
});

test("a workflow task names no label: its queue says who does it", () => {
  expect(faultsOf({}, { run_on: "backup-host" })).toEqual([expect.stringContaining("run_on")]);
});

describe("whoever may not read definitions", () => {
  test("sees which workflow it is, and not with what it is started", () => {
    const shown = showParams(TASK_TYPES, "workflow", { ...GOOD, args: ["s3cret"], wait: false });
    expect(shown).toEqual({ ...GOOD, args: "***", wait: false });
  });
});
