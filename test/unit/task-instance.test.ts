import { describe, expect, test } from "bun:test";
import { compileActivity } from "../../src/definition/activity.ts";
import { plainRound } from "../../src/run/task-instance.ts";
import type { TaskTemplate } from "../../src/task/types.ts";

const run = { run_id: "01976f2a-5b3c-7123-8abc-0123456789ab", kind: "event", key: "e" };
const policy = {
  timeout_ms: 30_000,
  max_attempts: 5,
  initial_interval_ms: 1000,
  backoff_coefficient: 2,
  max_interval_ms: 300_000,
};
const log = { key: "say", type: "log", params: { message: "hi" } };
const activityOf = (name: string, ...task_templates: object[]) =>
  compileActivity({
    ...{ id: crypto.randomUUID(), name, version: 1, enabled: true, deleted: false, since: new Date() },
    body: {
      trigger_config: { trigger_type: "event", event_type: "x" },
      task_templates: task_templates as TaskTemplate[],
    },
  });

test("a task of the activity becomes a task of the run", () => {
  expect(plainRound(run, activityOf("a", log))).toEqual({
    round: 1,
    templates: [{ key: "say", outcome: "made", count: 1 }],
    instances: [
      {
        ...{ task_id: expect.stringMatching(/^01976f2a-5b3c-8/), idempotency_key: expect.any(String) },
        ...{ ...log, instance: null, policy },
      },
    ],
  });
});

const tasksOf = (changed: object = {}, name = "a") =>
  plainRound({ ...run, ...changed }, activityOf(name, log, { ...log, key: "mail" })).instances;

test("the same run decides the same ids, another run others (I8)", () => {
  const idsOf = (run_id: string) => tasksOf({ run_id }).map(({ task_id }) => task_id);
  expect(idsOf(run.run_id)).toEqual(idsOf(run.run_id));
  expect(new Set([...idsOf(run.run_id), ...idsOf(run.run_id.replace("7123", "7124"))]).size).toBe(4);
});

describe("the idempotency key to the outside (I8)", () => {
  const keysOf = (changed?: object, name?: string) => tasksOf(changed, name).map((task) => task.idempotency_key);

  test("is the same for a run of the same occurrence on another ledger", () => {
    expect(keysOf({ run_id: crypto.randomUUID() })).toEqual(keysOf());
  });

  test("is another for another task, occurrence or activity", () => {
    const all = [keysOf(), keysOf({ kind: "rerun" }), keysOf({ key: "e2" }), keysOf({}, "b")].flat();
    expect(new Set(all).size).toBe(8);
  });

  test("is the same from one release to the next, and a UUID of version 8", () => {
    expect(keysOf()).toEqual(["a930ba3e-d408-85e4-af2c-9dc5e1cdac35", "2cc4bf57-3000-8f92-bdf4-30b6aa5aef58"]);
  });
});

test("a task's id is the same from one release to the next (I8)", () => {
  expect(tasksOf().map(({ task_id }) => task_id)).toEqual([
    "01976f2a-5b3c-8a4f-996b-fd8087a8f187",
    "01976f2a-5b3c-8353-bafa-3458ad38d10b",
  ]);
});

test("an activity without tasks decides none", () => {
  expect(plainRound(run, activityOf("a")).instances).toEqual([]);
});
