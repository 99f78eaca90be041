/** The rounds in which a run decides: what is made, what is skipped and why, and what waits for which results. */
import { describe, expect, test } from "bun:test";
import { compileActivity } from "../../src/definition/activity.ts";
import { decideRound, type Round, type RoundFacts } from "../../src/run/decide.ts";
import type { TemplateDecision } from "../../src/run/decision.ts";
import type { StandingTask, TakenTask } from "../../src/run/task-instance.ts";
import { createParamsCheck } from "../../src/task/params-check.ts";
import type { TaskTemplate } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const RUN = { run_id: "01976f2a-5b3c-7123-8abc-0123456789ab", kind: "event", key: "e" };
const OPTIONS = { checkParams: createParamsCheck(TASK_RULES), breathe: async () => {} };
const say = (key: string, rules: object = {}, message = key) => ({ key, type: "log", params: { message }, ...rules });

function activityOf(templates: object[], rules: object = {}) {
  return compileActivity({
    ...{ id: crypto.randomUUID(), name: "a", version: 1, enabled: true, deleted: false, since: new Date() },
    body: {
      trigger_config: { trigger_type: "event", event_type: "x" },
      task_templates: templates as TaskTemplate[],
      ...rules,
    },
  });
}

const VALUES = {
  event: { type: "x", payload: { n: 3, items: [{ to: "a" }, { to: "" }, { to: "c" }] } },
  context: { account: { active: true } },
  now: "2026-11-28T10:00:00.000Z",
};

type Decided = Exclude<Round, { skipped: string }>;

function decide(templates: object[], facts: Partial<RoundFacts> = {}, rules: object = {}): Promise<Round> {
  return decideRound(
    RUN,
    activityOf(templates, rules),
    { decided: undefined, tasks: [], values: VALUES, ...facts },
    OPTIONS,
  );
}

async function first(...templates: object[]): Promise<Decided> {
  return (await decide(templates)) as Decided;
}

/** Decides until nothing changes; the tasks of each template end as `ends` says, and well where it says nothing. */
async function follow(templates: object[], ends: Record<string, StandingTask["status"]> = {}) {
  let decided: TemplateDecision[] | undefined;
  const tasks: StandingTask[] = [];
  const begun: string[] = [];
  for (let rounds = 0; rounds < 10; rounds++) {
    const round = (await decide(templates, { decided, tasks: structuredClone(tasks) })) as Decided;
    tasks.push(...round.instances.map(({ key, instance }) => ({ key, instance, status: "pending" as const })));
    const before = begun.length;
    for (const task of tasks) {
      if (round.skip.includes(task.key)) task.status = "skipped";
      if (!round.released.has(task.key) || task.status !== "pending") continue;
      begun.push(task.key);
      task.status = ends[task.key] ?? "succeeded";
      task.result = `result of ${task.key}`;
      task.error = null;
    }
    if (begun.length === before && Bun.deepEquals(decided, round.templates))
      return { templates: round.templates, tasks, begun };
    decided = round.templates;
  }
  throw new Error("it decides for ever");
}

const outcomesOf = (templates: readonly TemplateDecision[]) => templates.map(({ key, outcome }) => `${key} ${outcome}`);

describe("the definition's own condition", () => {
  test("that is false skips the run, and says which values decided it", async () => {
    expect(await decide([say("a")], {}, { when: "event.payload.n > 5" })).toEqual({
      skipped: "payload.n is 3: event.payload.n > 5 is false",
    });
  });

  test("that holds leaves the templates to decide", async () => {
    expect(await decide([say("a")], {}, { when: "context.account.active" })).toMatchObject({
      instances: [{ key: "a" }],
    });
  });

  test("that is no boolean fails with its place in the definition", async () => {
    const error = await decide([say("a")], {}, { when: "event.payload.n" }).catch((failure) => failure);
    expect(error).toMatchObject({ code: "expression_failed", message: expect.stringMatching(/^\/when: /) });
  });
});

describe("a template", () => {
  test("whose condition is false makes no task, and says why", async () => {
    const { templates, instances } = await first(say("a", { when: "event.payload.n == 4" }), say("b"));
    expect(templates).toEqual([
      { key: "a", outcome: "skipped", cause: "condition", reason: "payload.n is 3: event.payload.n == 4 is false" },
      { key: "b", outcome: "made", count: 1 },
    ]);
    expect(instances.map(({ key }) => key)).toEqual(["b"]);
  });

  test("fills expressions into its params, and keeps the text that they came from", async () => {
    const { instances } = await first(say("a", {}, "n is {{ event.payload.n }}"));
    expect(instances).toMatchObject([
      { params: { message: "n is 3" }, sources: { "/message": { text: "n is {{ event.payload.n }}" } } },
    ]);
  });

  test("leaves a text with a secret as it is written, and what it reads besides the secret with it", async () => {
    const text = "{{ secret.TOKEN }} for {{ event.payload.n }}";
    const { instances } = await first(say("a", {}, text));
    expect(instances).toMatchObject([
      { params: { message: text }, sources: { "/message": { text, values: { event: { payload: { n: 3 } } } } } },
    ]);
  });

  test("takes no secret from a payload that says what a template would", async () => {
    const values = { event: { payload: { text: "{{ secret.TOKEN }}" } } };
    const round = (await decide([say("a", {}, "{{ event.payload.text }}")], { values })) as Decided;
    expect(round.instances).toMatchObject([{ params: { message: "{{ secret.TOKEN }}" } }]);
    expect(round.instances[0]?.sources?.["/message"]).toEqual({ text: "{{ event.payload.text }}" });
  });

  test("whose params are wrong once they are evaluated fails with their place", async () => {
    const error = await decide([say("a", {}, "{{ event.payload.items }}")]).catch((failure) => failure);
    expect(error).toMatchObject({
      code: "params_invalid",
      message: expect.stringMatching(/^\/task_templates\/0\/params\/message /),
    });
  });
});

describe("for_each", () => {
  test("makes a task of each item, each with an id and a key to the outside of its own", async () => {
    const { templates, instances } = await first(
      say("a", { for_each: "event.payload.items" }, "{{ index }} {{ item.to }}"),
    );
    expect(templates).toEqual([{ key: "a", outcome: "made", count: 3 }]);
    expect(instances.map(({ params }) => params)).toEqual([{ message: "0 a" }, { message: "1 " }, { message: "2 c" }]);
    expect(new Set(instances.map(({ task_id }) => task_id)).size).toBe(3);
    expect(new Set(instances.map(({ idempotency_key }) => idempotency_key)).size).toBe(3);
  });

  test("leaves out the items for which the condition is false, and says which was the first", async () => {
    const { templates, instances } = await first(say("a", { for_each: "event.payload.items", when: "item.to != ''" }));
    expect(templates).toMatchObject([
      { outcome: "made", count: 2, left_out: 1, reason: expect.stringContaining("item 1: ") },
    ]);
    expect(instances.map(({ instance }) => instance)).toEqual([0, 2]);
  });

  test("over an empty list makes nothing, and what depends on it goes on", async () => {
    const { templates, released } = await first(say("a", { for_each: "[]" }), say("b", { depends_on: ["a"] }));
    expect(outcomesOf(templates)).toEqual(["a made", "b made"]);
    expect(released).toContain("b");
  });

  test.each([
    ["no list", "event.payload.n", "expression_failed"],
    ["too many items", "event.payload.many", "too_many_items"],
  ])("over %s fails with its place", async (_, for_each, code) => {
    const values = { event: { payload: { n: 1, many: Array(10_000).fill(0) } } };
    const error = await decide([say("a", { for_each })], { values }).catch((failure) => failure);
    expect(error).toMatchObject({ code, message: expect.stringMatching(/^\/task_templates\/0\/for_each: /) });
  });
});

describe("a template that depends on others", () => {
  const chain = [say("a"), say("b", { depends_on: ["a"] }), say("c", { depends_on: ["b"] })];

  test("is recorded with the first round, and done when they are over", async () => {
    const { instances, released } = await first(...chain);
    expect(instances.map(({ key }) => key)).toEqual(["a", "b", "c"]);
    expect([...released]).toEqual(["a"]);
    expect((await follow(chain)).begun).toEqual(["a", "b", "c"]);
  });

  test("may stand before them in the definition", async () => {
    const { templates, begun } = { ...(await follow(chain.toReversed())) };
    expect(outcomesOf(templates)).toEqual(["c made", "b made", "a made"]);
    expect(begun).toEqual(["a", "b", "c"]);
  });

  test("reads their results, and waits for them with its own decision", async () => {
    const reader = say("b", { depends_on: ["a"] }, "{{ tasks.a.status }}: {{ tasks.a.result }}");
    expect((await first(say("a"), reader)).templates).toMatchObject([
      { outcome: "made" },
      { outcome: "waiting", reason: "reads the results of a" },
    ]);
    const { templates } = await follow([say("a"), reader]);
    expect(outcomesOf(templates)).toEqual(["a made", "b made"]);
    const facts: Partial<RoundFacts> = {
      decided: [
        { key: "a", outcome: "made", count: 1 },
        { key: "b", outcome: "waiting" },
      ],
      tasks: [{ key: "a", instance: null, status: "succeeded", result: { n: 1 }, error: null }],
    };
    const sized = say("b", { depends_on: ["a"] }, "{{ tasks.a.result.n }}");
    expect(await decide([say("a"), sized], facts)).toMatchObject({
      instances: [{ key: "b", params: { message: "1" } }],
    });
  });

  test("reads the results of a for_each as a list in the order of its items", async () => {
    const facts: Partial<RoundFacts> = {
      decided: [
        { key: "a", outcome: "made", count: 2 },
        { key: "b", outcome: "waiting" },
      ],
      tasks: [
        { key: "a", instance: 2, status: "failed", result: null, error: { code: "x", message: "" } },
        { key: "a", instance: 0, status: "succeeded", result: "r", error: null },
      ],
    };
    const templates = [
      say("a", { for_each: "event.payload.items" }),
      say(
        "b",
        { depends_on: ["a"], run_when: "all_done" },
        "{{ size(tasks.a) }} {{ tasks.a[0].result }} {{ tasks.a[1].status }}",
      ),
    ];
    expect(await decide(templates, facts)).toMatchObject({ instances: [{ params: { message: "2 r failed" } }] });
  });
});

describe("the tasks of a run", () => {
  const many = { ...VALUES, event: { payload: { many: Array.from({ length: 1000 }, (_, n) => n) } } };
  const each = (count: number) =>
    Array.from({ length: count }, (_, n) => say(`k${n}`, { for_each: "event.payload.many" }));

  test("are at most 10,000, and what is beyond fails with its place in the definition", async () => {
    expect(await decide(each(10), { values: many })).toHaveProperty("instances.length", 10_000);
    const error = await decide([...each(10), say("last")], { values: many }).catch((failure) => failure);
    expect(error).toMatchObject({
      code: "too_many_tasks",
      message: "/task_templates/10: a run has at most 10000 tasks",
    });
  });

  test("count over all rounds", async () => {
    const tasks: StandingTask[] = many.event.payload.many.flatMap((instance) =>
      each(10).map(({ key }) => ({ key, instance, status: "succeeded" })),
    );
    const decided: TemplateDecision[] = each(10).map(({ key }) => ({ key, outcome: "made", count: 1000 }));
    const reader = say("last", { depends_on: ["k0"], when: "size(tasks.k0) > 0" });
    const facts = { values: many, tasks, decided: [...decided, { key: "last", outcome: "waiting" } as const] };
    const error = await decide([...each(10), reader], facts).catch((failure) => failure);
    expect(error).toMatchObject({ code: "too_many_tasks" });
  });
});

describe("by how a dependency ended, a template with", () => {
  const after = (run_when?: string) => [
    say("a", { when: "event.payload.n == 3" }),
    say("b", { depends_on: ["a"], run_when }),
  ];
  const skipped = (run_when?: string) => [say("a", { when: "false" }), say("b", { depends_on: ["a"], run_when })];

  test.each<[run_when: string | undefined, end: StandingTask["status"], outcome: string]>([
    [undefined, "succeeded", "made"],
    [undefined, "failed", "skipped"],
    ["all_succeeded", "failed", "skipped"],
    ["any_failed", "succeeded", "skipped"],
    ["any_failed", "failed", "made"],
    ["all_done", "failed", "made"],
    ["all_done", "succeeded", "made"],
  ])("run_when %p after one that %s is %s", async (run_when, end, outcome) => {
    const { templates, tasks } = await follow(after(run_when), { a: end });
    expect(templates[1]).toMatchObject({ outcome });
    expect(tasks.find(({ key }) => key === "b")?.status).toBe(outcome === "made" ? "succeeded" : "skipped");
  });

  test.each<[run_when: string | undefined, outcome: string]>([
    [undefined, "skipped"],
    ["any_failed", "skipped"],
    ["all_done", "made"],
  ])("run_when %p after one that its condition skipped is %s", async (run_when, outcome) => {
    expect((await first(...skipped(run_when))).templates[1]).toMatchObject({ outcome });
  });

  test("no run_when says which dependency was to blame", async () => {
    const { templates } = await follow(after(), { a: "failed" });
    expect(templates[1]).toEqual({ key: "b", outcome: "skipped", count: 1, cause: "dependency", reason: "a failed" });
  });

  test("any_failed is done also where the failure was before the one that it depends on", async () => {
    const templates = [
      say("a"),
      say("b", { depends_on: ["a"] }),
      say("c", { depends_on: ["b"], run_when: "any_failed" }),
      say("d", { depends_on: ["b"] }),
    ];
    const { begun } = await follow(templates, { a: "failed" });
    expect(begun).toEqual(["a", "c"]);
    expect((await follow(templates)).begun).toEqual(["a", "b", "d"]);
  });

  test("any_failed is not done for a failure that the template before it was done for, and ended well", async () => {
    const templates = [
      say("a"),
      say("undo", { depends_on: ["a"], run_when: "any_failed" }),
      say("page", { depends_on: ["undo"], run_when: "any_failed" }),
    ];
    expect((await follow(templates, { a: "failed" })).begun).toEqual(["a", "undo"]);
    expect((await follow(templates, { a: "failed", undo: "failed" })).begun).toEqual(["a", "undo", "page"]);
  });

  test("results that it reads is not evaluated where it is not done", async () => {
    const reader = say("b", { depends_on: ["a"] }, "{{ tasks.a.result.nothing.there }}");
    expect((await follow([say("a"), reader], { a: "failed" })).templates[1]).toMatchObject({ cause: "dependency" });
  });
});

describe("a rerun from what failed", () => {
  const taken = (changed: Partial<TakenTask> = {}): TakenTask => ({
    ...{ task_id: crypto.randomUUID(), key: "a", instance: null, params: { message: "a" }, result: { n: 7 } },
    ...changed,
  });
  const templates = [say("a"), say("b", { depends_on: ["a"] }, "{{ tasks.a.result.n }}")];

  test("takes over a task that succeeded, and decides on with its result", async () => {
    const old = taken();
    const round = await decide(templates, { taken: [old] });
    expect(round).toMatchObject({
      instances: [
        { key: "a", taken: old },
        { key: "b", params: { message: "7" } },
      ],
    });
  });

  test("does a task again whose params are others now", async () => {
    const round = (await decide(templates, { taken: [taken({ params: { message: "old" } })] })) as Decided;
    expect(round.instances[0]).not.toHaveProperty("taken");
    expect(round.templates[1]).toMatchObject({ outcome: "waiting" });
  });
});

test("the same round made again decides the same tasks with the same ids (I8, I9)", async () => {
  const templates = [say("a", { for_each: "event.payload.items" }), say("b", { depends_on: ["a"] })];
  expect(await decide(templates)).toEqual(await decide(templates));
});

test("params of more than 32 MB in all are refused", async () => {
  const values = { event: { payload: { items: Array(400).fill(0), large: "x".repeat(100_000) } } };
  const params = { url: "http://127.0.0.1:1/", body: "{{ event.payload.large }}" };
  const template = { key: "a", type: "http", for_each: "event.payload.items", params };
  const error = await decide([template], { values }).catch((failure) => failure);
  expect(error).toMatchObject({ code: "decision_too_large" });
});

describe("a run that was opened again", () => {
  test("leaves done what was done because the retried task had failed", async () => {
    const templates = [
      say("a"),
      say("alert", { depends_on: ["a"], run_when: "any_failed" }),
      say("after", { depends_on: ["alert"] }),
    ];
    const made = (key: string): TemplateDecision => ({ key, outcome: "made", count: 1 });
    const done = (key: string) => ({ key, instance: null, status: "succeeded", has_begun: true }) as const;
    const facts = { decided: ["a", "alert", "after"].map(made), tasks: ["a", "alert", "after"].map(done) };
    const round = (await decide(templates, facts)) as Decided;
    expect(round).toMatchObject({ templates: facts.decided, skip: [] });
    // One that has not begun is not done for a failure that is none any more.
    const tasks = [done("a"), { key: "alert", instance: null, status: "pending" as const, has_begun: false }];
    expect(await decide(templates, { decided: facts.decided, tasks })).toMatchObject({ skip: ["alert"] });
  });
});
