import { describe, expect, test } from "bun:test";
import { parseDefinition } from "../../src/definition/validate.ts";
import { parseJson } from "../../src/json/parse.ts";
import type { Fault, InvalidInputError } from "../../src/kernel/errors.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const event = { trigger_type: "event", event_type: "user.created" };
const minimal = { name: "a", trigger_config: event };
const log = (key: string, rest: object = {}) => ({ key, type: "log", params: { message: "hi" }, ...rest });

function faultsOf(input: unknown): readonly Fault[] {
  try {
    parseDefinition(input, TASK_RULES);
  } catch (error) {
    return (error as InvalidInputError).faults;
  }
  return [];
}
const pathsOf = (input: unknown) => faultsOf(input).map(({ path }) => path);

test("a definition of a name and a trigger gets every default", () => {
  expect(parseDefinition(minimal, TASK_RULES)).toEqual({
    name: "a",
    enabled: true,
    trigger_type: "event",
    trigger_config: { trigger_type: "event", event_type: "user.created" },
    context_sources: [],
    task_templates: [],
    dedupe_key_strategy: "event_id",
  });
});

test("a number that a JavaScript number would change is kept where any value may stand, and refused elsewhere", () => {
  const body = (rest: string) => `{"name":"a","trigger_config":{"trigger_type":"event","event_type":"x"${rest}`;
  const kept = body(',"filters":{"id":175928847299117063}}}');
  expect(JSON.stringify(parseDefinition(parseJson(kept), TASK_RULES))).toContain('"filters":{"id":175928847299117063}');
  const task =
    '{"key":"k","type":"log","params":{"message":1e400},"timeout":1e400,"retry":{"max_attempts":1.00000000000000000001}}';
  const wrong = body(`,"filters":{}}, "task_templates":[${task},1e400],"enabled":1e400,"version":1e400}`);
  expect(pathsOf(parseJson(wrong)).toSorted()).toEqual([
    "/enabled",
    "/task_templates/0/params/message",
    "/task_templates/0/retry/max_attempts",
    "/task_templates/0/timeout",
    "/task_templates/1",
    "/version",
  ]);
  expect(faultsOf(parseJson("9007199254740993"))).toEqual([{ path: "/", message: "expected an object" }]);
  for (const [field, input] of [
    ["/trigger_config", '{"name":"a","trigger_config":1e400}'],
    ["/trigger_config/filters", body(',"filters":9007199254740993}}')],
  ] as const)
    expect(pathsOf(parseJson(input))).toEqual([field]);
});

test.each(["\n", "\u001f", "\u007f", "\u0085", "\u009b"])(
  "a name with a control character is refused: %j",
  (control) => {
    expect(faultsOf({ ...minimal, name: `a${control}b` })).toEqual([
      { path: "/name", message: expect.stringContaining("without control characters") },
    ]);
  },
);

test("a type that is missing is named with those that there are", () => {
  const input = { name: "a", trigger_config: { cron_expression: "0 9 * * *" }, task_templates: [{ key: "k" }] };
  expect(faultsOf(input)).toEqual([
    { path: "/trigger_config/trigger_type", message: "is required: one of event, cron, interval, scheduled" },
    { path: "/task_templates/0/type", message: `is required: one of ${Object.keys(TASK_TYPES).join(", ")}` },
  ]);
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
  ["/trigger_config/event_type", { name: "a", trigger_config: { ...event, event_type: "user.cre*" } }],
  ["/trigger_config/when", { name: "a", trigger_config: { ...event, when: "event.payload.n >" } }],
  ["/trigger_config/when", { name: "a", trigger_config: { ...event, when: "context.account.active" } }],
  ["/trigger_config/when", { name: "a", trigger_config: { ...event, when: "event.seats > 3" } }],
  ["/trigger_config/when", { name: "a", trigger_config: { ...event, when: true } }],
  ["/trigger_config/when", { name: "a", trigger_config: { trigger_type: "interval", every: "1h", when: "true" } }],
  ["/context_sources/0/type", { ...minimal, context_sources: [{}] }],
  ["/dedupe_key_strategy", { ...minimal, dedupe_key_strategy: "source" }],
  ["/task_templates", { ...minimal, task_templates: Array.from({ length: 101 }, (_, n) => log(`k${n}`)) }],
])("a fault at %s is the only one named for %j", (path, input) => {
  expect(pathsOf(input)).toEqual([path]);
});

describe("trigger_type", () => {
  test("may stand at the top, in trigger_config, or in both", () => {
    const inner = { event_type: "user.created" };
    expect(parseDefinition({ name: "a", trigger_type: "event", trigger_config: inner }, TASK_RULES)).toEqual(
      parseDefinition(minimal, TASK_RULES),
    );
    expect(parseDefinition({ ...minimal, trigger_type: "event" }, TASK_RULES)).toEqual(
      parseDefinition(minimal, TASK_RULES),
    );
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

describe("the URL of an http task", () => {
  const RULES = { ...TASK_RULES, engines: { ports: new Map([[8222, "NATS monitoring"]]) } };
  const faultOf = (url: string) => {
    const task = { key: "a", type: "http", params: { url } };
    try {
      parseDefinition({ ...minimal, task_templates: [log("first"), task] }, RULES);
    } catch (error) {
      return (error as InvalidInputError).faults;
    }
    return [];
  };

  test("must not lead to metadata or to an engine, and the fault says where and why", () => {
    const path = "/task_templates/1/params/url";
    expect(faultOf("http://0xa9fea9fe/latest/meta-data")).toEqual([
      {
        path,
        message:
          "no request may go to this URL: 169.254.169.254 is a link-local address, where clouds serve metadata and credentials",
      },
    ]);
    expect(faultOf("http://127.1:8222/varz")).toEqual([
      {
        path,
        message:
          "no request may go to this URL: port 8222 of this host is NATS monitoring, an engine of actcore itself",
      },
    ]);
  });

  test.each(["http://127.0.0.1:3000/report", "http://10.0.0.5/", "https://example.com/"])("may be %s", (url) => {
    expect(faultOf(url)).toEqual([]);
  });
});

describe("what Postgres cannot keep is refused where it stands", () => {
  const filtering = (filters: unknown) => ({ ...minimal, trigger_config: { ...event, filters } });
  const nest = (levels: number): unknown => (levels === 0 ? 1 : [nest(levels - 1)]);

  test.each<[what: string, filters: unknown, path: string, message: string]>([
    ["a NUL character", { a: ["b", "\0"] }, "/trigger_config/filters/a/1", "has a NUL character"],
    ["half of a surrogate pair", { a: { b: "\ud800" } }, "/trigger_config/filters/a/b", "has half of a surrogate pair"],
    ["a NUL character in a key", { "a\0": 1 }, "/trigger_config/filters", 'its key "a\\u0000" has a NUL character'],
    [
      "half a pair in a key",
      { "\udc00": 1 },
      "/trigger_config/filters",
      'its key "\\udc00" has half of a surrogate pair',
    ],
  ])("%s", (_, filters, path, message) => {
    expect(faultsOf(filtering(filters))).toEqual([{ path, message }]);
  });

  test("every one of them", () => {
    expect(pathsOf(filtering({ a: "\0", b: ["\ud800"] }))).toEqual([
      "/trigger_config/filters/a",
      "/trigger_config/filters/b/0",
    ]);
  });

  test("more than 100 levels", () => {
    // The definition, its trigger and its filters are three of them.
    expect(faultsOf(filtering({ a: nest(97) }))).toEqual([]);
    expect(faultsOf(filtering({ a: nest(98) })).map(({ message }) => message)).toEqual([
      "is nested deeper than 100 levels",
    ]);
  });
});

test("a definition that is refused says so by its code", () => {
  expect(() => parseDefinition({}, TASK_RULES)).toThrow(expect.objectContaining({ code: "invalid_definition" }));
});

test("times of a task are at least a millisecond", () => {
  const task = (rest: object) => ({ ...minimal, task_templates: [log("k", rest)] });
  expect(pathsOf(task({ timeout: "1ms", retry: { initial_interval: "1ms", max_interval: "1ms" } }))).toEqual([]);
  expect(pathsOf(task({ timeout: 0, retry: { initial_interval: 0, max_interval: 0 } })).toSorted()).toEqual([
    "/task_templates/0/retry/initial_interval",
    "/task_templates/0/retry/max_interval",
    "/task_templates/0/timeout",
  ]);
});
