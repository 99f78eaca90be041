import { expect, test } from "bun:test";
import { decideTasks } from "../../src/run/decide.ts";

const runId = "01976f2a-5b3c-7123-8abc-0123456789ab";
const policy = {
  timeout_ms: 30_000,
  max_attempts: 5,
  initial_interval_ms: 1000,
  backoff_coefficient: 2,
  max_interval_ms: 300_000,
};
const log = { key: "say", type: "log", params: { message: "hi" }, policy } as const;

test("a task of the activity becomes a task of the run", () => {
  expect(decideTasks(runId, { tasks: [log] })).toEqual([
    { task_id: expect.stringMatching(/^01976f2a-5b3c-8/), ...log },
  ]);
});

test("the same run decides the same ids, another run others (I8)", () => {
  const idsOf = (id: string) => decideTasks(id, { tasks: [log, { ...log, key: "b" }] }).map(({ task_id }) => task_id);
  const ids = idsOf(runId);
  expect(idsOf(runId)).toEqual(ids);
  expect(new Set([...ids, ...idsOf(runId.replace("7123", "7124"))]).size).toBe(4);
});

test("a task's id, the idempotency key to the outside, is the same from one release to the next (I8)", () => {
  const tasks = decideTasks(runId, { tasks: [log, { ...log, key: "mail" }] });
  expect(tasks.map(({ task_id }) => task_id)).toEqual([
    "01976f2a-5b3c-8a4f-996b-fd8087a8f187",
    "01976f2a-5b3c-8353-bafa-3458ad38d10b",
  ]);
});

test("an activity without tasks decides none", () => {
  expect(decideTasks(runId, { tasks: [] })).toEqual([]);
});
