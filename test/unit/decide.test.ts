import { expect, test } from "bun:test";
import { decideTasks } from "../../src/run/decide.ts";

const runId = "01976f2a-5b3c-7123-8abc-0123456789ab";
const log = { key: "say", type: "log", params: { message: "hi" } } as const;

test("a template becomes a task with every default of its policy", () => {
  expect(decideTasks(runId, { task_templates: [log] })).toEqual([
    {
      task_id: expect.stringMatching(/^01976f2a-5b3c-8/),
      key: "say",
      type: "log",
      params: { message: "hi" },
      policy: {
        timeout_ms: 30_000,
        max_attempts: 5,
        initial_interval_ms: 1000,
        backoff_coefficient: 2,
        max_interval_ms: 300_000,
      },
    },
  ]);
});

test("what a template says of its policy stands beside the defaults", () => {
  const template = { ...log, timeout: "5s", retry: { max_attempts: 1, initial_interval: 0.5 } };
  expect(decideTasks(runId, { task_templates: [template] })[0]?.policy).toMatchObject({
    timeout_ms: 5000,
    max_attempts: 1,
    initial_interval_ms: 500,
    backoff_coefficient: 2,
  });
});

test("the same run decides the same ids, another run others (I8)", () => {
  const idsOf = (id: string) =>
    decideTasks(id, { task_templates: [log, { ...log, key: "b" }] }).map(({ task_id }) => task_id);
  const ids = idsOf(runId);
  expect(idsOf(runId)).toEqual(ids);
  expect(new Set([...ids, ...idsOf(runId.replace("7123", "7124"))]).size).toBe(4);
});

test("a task's id, the idempotency key to the outside, is the same from one release to the next (I8)", () => {
  const tasks = decideTasks(runId, { task_templates: [log, { ...log, key: "mail" }] });
  expect(tasks.map(({ task_id }) => task_id)).toEqual([
    "01976f2a-5b3c-8a4f-996b-fd8087a8f187",
    "01976f2a-5b3c-8353-bafa-3458ad38d10b",
  ]);
});

test("a definition without tasks decides none", () => {
  expect(decideTasks(runId, { task_templates: [] })).toEqual([]);
});
