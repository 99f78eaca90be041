/** What is refused of a definition's rules when it is stored: each fault with its place, and what is known instead. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are what is tested
import { describe, expect, test } from "bun:test";
import { parseDefinition } from "../../src/definition/validate.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const say = (key: string, rules: object = {}) => ({ key, type: "log", params: { message: key }, ...rules });

function faultsOf(templates: object[], rules: object = {}): string[] {
  const trigger_config = { trigger_type: "event", event_type: "x" };
  try {
    parseDefinition({ name: "a", trigger_config, task_templates: templates, ...rules }, TASK_RULES);
  } catch (error) {
    return (error as InvalidInputError).faults.map(({ path, message }) => `${path} ${message}`);
  }
  return [];
}

const filtered = (filters: object) => ({ trigger_type: "event", event_type: "x", filters });

test("rules of every kind are taken together", () => {
  const templates = [
    say("mail", { for_each: "event.payload.list", when: "item.email != ''", max_parallel: 5 }),
    say("report", { depends_on: ["mail"], run_when: "all_done", when: "size(tasks.mail) > 0", allow_failure: true }),
  ];
  expect(faultsOf(templates, { when: "event.payload.n > 1", timeout: "2h", max_parallel: 10 })).toEqual([]);
});

test("a key that no run and no trigger has is refused, and those that it has are taken", () => {
  const context_sources = [
    { name: "a", type: "static", value: "{{ event.payloads }} {{ trigger.kind }} {{ run.run_id }}" },
  ];
  expect(
    faultsOf([say("mail", { when: "run.name == 'x'" })], { when: "trigger.type == 'event' && run.version > 1" }),
  ).toEqual([
    "/task_templates/0/when at 1:1: run has no name: there is run_id, activity_id, activity_name, trigger, scheduled_for, version, rerun_of, trace_id",
  ]);
  expect(faultsOf([say("mail")], { context_sources })).toEqual([
    "/context_sources/0/value at 1:4: event has no payloads: did you mean payload?",
    "/context_sources/0/value at 1:25: trigger has no kind: there is type, scheduled_for, fired_at, late_by, compressed",
  ]);
});

test.each<[place: string, rules: object]>([
  ["/name", { name: "of {{ event.type }}" }],
  ["/trigger_config/event_type", { trigger_config: { trigger_type: "event", event_type: "{{ event.type }}" } }],
  ["/trigger_config/filters/tier", { trigger_config: filtered({ tier: "{{ event.source }}" }) }],
  ["/trigger_config/filters/tier/1", { trigger_config: filtered({ tier: ["a", "{{ event.source }}"] }) }],
  ["/trigger_config/filters/{{ 'tier' }}", { trigger_config: filtered({ "{{ 'tier' }}": "pro" }) }],
])("an expression in %s, where nothing evaluates it, is refused", (place, rules) => {
  expect(faultsOf([say("a")], rules)).toEqual([
    expect.stringMatching(/^\S.* ".*" has an expression, and is taken as it is written here$/),
  ]);
  expect(faultsOf([say("a")], rules)[0]).toStartWith(`${place} `);
});

describe("what a template depends on is refused where it", () => {
  test("is not there, and the nearest key is named", () => {
    expect(faultsOf([say("report"), say("b", { depends_on: ["raport"] })])).toEqual([
      '/task_templates/1/depends_on/0 there is no task template "raport"; did you mean "report"?',
    ]);
  });

  test("is itself", () => {
    expect(faultsOf([say("a", { depends_on: ["a"] })])).toEqual([
      "/task_templates/0/depends_on/0 a task template cannot depend on itself",
    ]);
  });

  test("leads round in a circle", () => {
    const circle = [say("a", { depends_on: ["c"] }), say("b", { depends_on: ["a"] }), say("c", { depends_on: ["b"] })];
    expect(faultsOf(circle)).toEqual(["/task_templates/0/depends_on leads round in a circle: a → c → b → a"]);
  });

  test("is named twice", () => {
    expect(faultsOf([say("a"), say("b", { depends_on: ["a", "a"] })])).toEqual([
      "/task_templates/1/depends_on/1 is named twice",
    ]);
  });

  test("is nothing, and run_when asks how it ended", () => {
    expect(faultsOf([say("a", { run_when: "any_failed" })])).toEqual([
      "/task_templates/0/run_when says how the templates of depends_on must have ended, and there are none",
    ]);
  });
});

describe("results that are read are refused where the template", () => {
  test("does not depend on the one that has them", () => {
    expect(faultsOf([say("a"), say("b", { when: "tasks.a.status == 'succeeded'" })])).toEqual([
      '/task_templates/1/when reads tasks.a, and depends_on does not lead to "a"',
    ]);
  });

  test("is the one that makes them", () => {
    expect(faultsOf([say("a", { when: "tasks.a.status == 'succeeded'" })])).toEqual([
      "/task_templates/0/when reads tasks.a, and the results of its own tasks are not there yet",
    ]);
  });

  test("is read over another one that it depends on", () => {
    const chain = [say("a"), say("b", { depends_on: ["a"] })];
    expect(faultsOf([...chain, say("c", { depends_on: ["b"], when: "tasks.a.status == 'succeeded'" })])).toEqual([]);
  });
});

describe("an expression is refused, with its place,", () => {
  test.each<[what: string, template: object, rules: object, path: string]>([
    ["in the definition's condition", say("a"), { when: "event.payload.n >" }, "/when"],
    ["in a template's condition", say("a", { when: "nothing.n == 1" }), {}, "/task_templates/0/when"],
    ["in a list", say("a", { for_each: "sise(event.payload)" }), {}, "/task_templates/0/for_each"],
    [
      "in params",
      say("a", { params: { message: "{{ event.payload.id + }}" } }),
      {},
      "/task_templates/0/params/message",
    ],
    ["that reads an item where there is none", say("a", { when: "item.n == 1" }), {}, "/task_templates/0/when"],
    ["that reads a secret in a condition", say("a", { when: "secret.A == 'x'" }), {}, "/task_templates/0/when"],
    ["that reads results in the definition's condition", say("a"), { when: "tasks.a.status == 'x'" }, "/when"],
    [
      "that reads a context source that is not there",
      say("a", { when: "context.accounts.n == 1" }),
      {},
      "/task_templates/0/when",
    ],
  ])("%s", (_, template, rules, path) => {
    expect(faultsOf([template], rules)).toEqual([expect.stringMatching(new RegExp(`^${path} `))]);
  });
});

describe("in params is refused, at its place,", () => {
  const http = (params: object) => ({ key: "k", type: "http", params: { url: "http://127.0.0.1:3000/", ...params } });
  test.each<[what: string, params: object, path: string]>([
    ["an expression that is not closed", { body: "got {{ event.payload.id }" }, "/body"],
    ["a variable of the environment in a URL", { url: "http://a:${PORT}/x" }, "/url"],
    ["a variable of the environment deep in a body", { body: { a: [{ "b/c": "x ${Y:-z} w" }] } }, "/body/a/0/b~1c"],
    ["an expression in a key", { body: { a: { "{{ event.payload.k }}": 1 } } }, "/body/a"],
  ])("%s", (_, params, path) => {
    expect(faultsOf([http(params)])).toEqual([expect.stringMatching(new RegExp(`^/task_templates/0/params${path} `))]);
  });

  test.each(["costs $5", "$HOME", "{ id }", "}}", '{"a":{"b":{}}}', "100 % {", "a $ {b}"])("but not %s", (body) => {
    expect(faultsOf([http({ body })])).toEqual([]);
  });

  test("but not a text whose value the schema would refuse as it is written", () => {
    expect(faultsOf([http({ url: "{{ event.payload.url }}" })])).toEqual([]);
  });
});

test("a timeout that no run can keep is refused", () => {
  expect(faultsOf([say("a")], { timeout: 0 })).toEqual(["/timeout expected a duration from 1s to 365d, received 0"]);
});
