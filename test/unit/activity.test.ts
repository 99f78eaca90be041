import { describe, expect, test } from "bun:test";
import { type ActivityRow, compileActivity, createActivityCache } from "../../src/definition/activity.ts";

const log = { key: "say", type: "log", params: { message: "hi" } } as const;
const row = (version = 1, task: object = {}, id = "a"): ActivityRow => ({
  ...{ id, name: "n", version, enabled: true, deleted: false, since: new Date(0) },
  body: {
    trigger_config: { trigger_type: "event", event_type: "x" },
    task_templates: [{ ...log, ...task }],
  },
});

test("a task template is compiled with every default of its policy, in milliseconds", () => {
  expect(compileActivity(row()).tasks).toMatchObject([
    {
      ...{ key: "say", type: "log", position: 0, depends_on: [], run_when: "all_succeeded" },
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
  const [task] = compileActivity(row(1, { timeout: "5s", retry: { max_attempts: 1, initial_interval: 0.5 } })).tasks;
  expect(task?.policy).toMatchObject({
    timeout_ms: 5000,
    max_attempts: 1,
    initial_interval_ms: 500,
    backoff_coefficient: 2,
  });
});

test("an activity whose time zone is not known any more has its tasks, as long as nobody asks when it is due", () => {
  const trigger_config = { trigger_type: "cron", cron_expression: "0 9 * * *", timezone: "Mars/Olympus" } as const;
  const { trigger, tasks } = compileActivity({ ...row(), body: { ...row().body, trigger_config } });
  expect(tasks).toHaveLength(1);
  expect(() => trigger.type === "schedule" && trigger.calendar).toThrow(RangeError);
});

describe("the cache of activities", () => {
  test("compiles a version once, and finds it by its number", () => {
    const cache = createActivityCache();
    const first = cache.keep(row(1));
    expect(cache.keep(row(1))).toBe(first);
    cache.keep(row(2));
    expect(cache.find("a", 1)).toBe(first);
    expect(cache.find("a", 3)).toBeUndefined();
    expect(cache.find("b")).toBeUndefined();
  });

  test("finds the newest version where none is named, in whichever order they came", () => {
    const cache = createActivityCache();
    for (const version of [2, 3, 1]) cache.keep(row(version));
    expect(cache.find("a")?.version).toBe(3);
  });

  test("is bounded: what was used longest ago is not kept", () => {
    const cache = createActivityCache(4);
    cache.keep(row(1, {}, "a"));
    cache.keep(row(1, {}, "b"));
    cache.find("a");
    cache.find("a", 1);
    cache.keep(row(1, {}, "c"));
    expect([cache.find("a")?.id, cache.find("b"), cache.find("c")?.id]).toEqual(["a", undefined, "c"]);
  });
});
