import { describe, expect, test } from "bun:test";
import { parseDefinition } from "../../src/definition/validate.ts";
import type { Fault, InvalidInputError } from "../../src/errors.ts";

const event = { trigger_type: "event", event_type: "user.created" };
const minimal = { name: "a", trigger_config: event };
const log = (key: string, rest: object = {}) => ({ key, type: "log", params: { message: "hi" }, ...rest });

function faultsOf(input: unknown): readonly Fault[] {
  try {
    parseDefinition(input);
  } catch (error) {
    return (error as InvalidInputError).faults;
  }
  return [];
}
const pathsOf = (input: unknown) => faultsOf(input).map(({ path }) => path);

test("a definition of a name and a trigger gets every default", () => {
  expect(parseDefinition(minimal)).toEqual({
    name: "a",
    enabled: true,
    trigger_type: "event",
    trigger_config: { trigger_type: "event", event_type: "user.created" },
    context_sources: [],
    task_templates: [],
    dedupe_key_strategy: "event_id",
  });
});

test("every fault is named at once, each with its path", () => {
  const faults = faultsOf({
    name: "",
    enabled: "yes",
    colour: "red",
    trigger_config: { ...event, event_type: 5, filters: [], speed: 1 },
    task_templates: [
      log("a", { params: { level: "loud", to: "me" } }),
      { key: "b", type: "sing" },
      "nothing",
      {
        key: "c d",
        type: "http",
        params: { url: "ftp://x", method: "LOOK" },
        timeout: "soon",
        retry: { max_attempts: 0 },
      },
      { key: "e" },
    ],
  });
  expect(faults.map(({ path }) => path).sort()).toEqual(
    [
      "/name",
      "/enabled",
      "/colour",
      "/trigger_config/event_type",
      "/trigger_config/filters",
      "/trigger_config/speed",
      "/task_templates/0/params/message",
      "/task_templates/0/params/level",
      "/task_templates/0/params/to",
      "/task_templates/1/type",
      "/task_templates/2",
      "/task_templates/3/key",
      "/task_templates/3/params/url",
      "/task_templates/3/params/method",
      "/task_templates/3/timeout",
      "/task_templates/3/retry/max_attempts",
      "/task_templates/4/type",
    ].sort(),
  );
  expect(faults).toContainEqual({ path: "/colour", message: "unknown field" });
});

test.each([[null], [[]], ["text"], [1]])("%j is no definition", (input) => {
  expect(faultsOf(input)).toEqual([{ path: "/", message: "expected an object" }]);
});

test.each<[path: string, input: object]>([
  ["/name", { trigger_config: event }],
  ["/trigger_config", { name: "a" }],
  ["/trigger_config", { name: "a", trigger_config: [] }],
  ["/trigger_config/trigger_type", { name: "a", trigger_config: {} }],
  ["/trigger_config/trigger_type", { name: "a", trigger_config: { trigger_type: "constructor" } }],
  ["/name", { ...minimal, name: "a\u0000b" }],
  ["/trigger_config/event_type", { name: "a", trigger_config: { ...event, event_type: "a\u0000" } }],
  ["/context_sources", { ...minimal, context_sources: [{}] }],
  ["/dedupe_key_strategy", { ...minimal, dedupe_key_strategy: "subject" }],
  ["/task_templates", { ...minimal, task_templates: Array.from({ length: 101 }, (_, n) => log(`k${n}`)) }],
])("a fault at %s is the only one named for %j", (path, input) => {
  expect(pathsOf(input)).toEqual([path]);
});

describe("trigger_type", () => {
  test("may stand at the top, in trigger_config, or in both", () => {
    const inner = { event_type: "user.created" };
    expect(parseDefinition({ name: "a", trigger_type: "event", trigger_config: inner })).toEqual(
      parseDefinition(minimal),
    );
    expect(parseDefinition({ ...minimal, trigger_type: "event" })).toEqual(parseDefinition(minimal));
  });

  test("may not disagree with itself", () => {
    expect(pathsOf({ ...minimal, trigger_type: "cron" })).toEqual(["/trigger_type"]);
  });
});

test("a task's key is unique, and the first with it is named", () => {
  expect(faultsOf({ ...minimal, task_templates: [log("a"), log("b"), log("a")] })).toEqual([
    { path: "/task_templates/2/key", message: '"a" is already the key of /task_templates/0' },
  ]);
});
