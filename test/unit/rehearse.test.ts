import { describe, expect, test } from "bun:test";
import { occasionOfDueTime, occasionOfEvent } from "../../src/rehearsal/occasion.ts";
import { type Known, rehearse } from "../../src/rehearsal/rehearse.ts";
import { bodyOf, envelopeOf } from "../support/ledger.ts";
import { activityOfBody, ROUND } from "../support/rehearsal.ts";

const log = (key: string, rest: object = {}) => ({ key, type: "log", params: { message: key }, ...rest });
const ACCOUNT = { name: "account", type: "static", value: { active: true } };

function ask(rest: object, payload: unknown = {}, known: Partial<Known> = {}) {
  const occasion = occasionOfEvent(envelopeOf("e", { payload }), new Date("2026-01-31T09:30:00Z"));
  const activity = activityOfBody(bodyOf("x", { trigger_config: { trigger_type: "event", event_type: "x" }, ...rest }));
  return rehearse(activity, occasion, { context: {}, ...known }, ROUND);
}

describe("what a run would decide", () => {
  test("of plain tasks is all of them at once", async () => {
    expect(await ask({ task_templates: [log("a"), log("b")] })).toMatchObject({
      would: "run",
      templates: [{ key: "a", outcome: "made", count: 1 }, { key: "b" }],
      tasks: [{ key: "a", instance: null, params: { message: "a" }, released: true }, { key: "b" }],
    });
  });

  test("has the items of a list, those that are left out, and params with their values", async () => {
    const mail = log("mail", {
      for_each: "event.payload.contacts",
      when: "item.email != ''",
      params: { message: "to {{ item.email }}" },
    });
    const contacts = [{ email: "a@b" }, { email: "" }, { email: "c@d" }];
    expect(await ask({ task_templates: [mail] }, { contacts })).toMatchObject({
      templates: [{ key: "mail", count: 2, left_out: 1, reason: expect.stringContaining("item 1") }],
      tasks: [
        { instance: 0, params: { message: "to a@b" } },
        { instance: 2, params: { message: "to c@d" } },
      ],
    });
  });

  test("tells the condition with its values, whether it holds or not", async () => {
    const rest = { when: "event.payload.seats > 3", task_templates: [log("a")] };
    expect(await ask(rest, { seats: 2 })).toMatchObject({
      would: "skip",
      reason: "condition",
      detail: "payload.seats is 2: event.payload.seats > 3 is false",
    });
    expect(await ask(rest, { seats: 5 })).toMatchObject({
      would: "run",
      when: { holds: true, explanation: expect.stringContaining("5") },
    });
  });

  test("fails with the place in the definition where an expression does", async () => {
    expect(await ask({ when: "event.payload.seats", task_templates: [log("a")] }, { seats: 2 })).toMatchObject({
      would: "fail",
      reason: "expression_failed",
      faults: [{ path: "/when", message: expect.stringContaining("neither true nor false") }],
    });
    const broken = log("a", { for_each: "event.payload.list", params: { message: "{{ item.name }}" } });
    expect(await ask({ task_templates: [log("b"), broken] }, { list: [{ name: "n" }, {}] })).toMatchObject({
      would: "fail",
      faults: [{ path: "/task_templates/1/params", message: expect.stringContaining("item 1: ") }],
    });
  });

  test("keeps a text that reads a secret as it is written", async () => {
    const params = { url: "https://mail.local/send", headers: { authorization: "Bearer {{ secret.MAIL_TOKEN }}" } };
    expect(await ask({ task_templates: [{ key: "mail", type: "http", params }] })).toMatchObject({
      tasks: [{ params }],
    });
  });
});

test("a due time is told by the kind of its trigger", async () => {
  const trigger_config = { trigger_type: "interval", every: "1h" };
  const task_templates = [
    log("a", { params: { message: "{{ trigger.type }} {{ run.trigger }} {{ trigger.scheduled_for }}" } }),
  ];
  const activity = activityOfBody(bodyOf("x", { trigger_config, task_templates }));
  const occasion = occasionOfDueTime(new Date("2026-01-31T09:00:00Z"));
  expect(await rehearse(activity, occasion, { context: {} }, ROUND)).toMatchObject({
    tasks: [{ params: { message: "interval interval 2026-01-31T09:00:00Z" } }],
  });
});

describe("context that is not known", () => {
  test("decides nothing where the definition's condition or a template reads it", async () => {
    const byCondition = { context_sources: [ACCOUNT], when: "context.account.active", task_templates: [log("a")] };
    expect(await ask(byCondition)).toEqual({ would: "depend", on: ["account"] });
    const byTemplate = {
      context_sources: [ACCOUNT],
      task_templates: [log("a", { params: { message: "{{ json(context) }}" } })],
    };
    expect(await ask(byTemplate)).toEqual({ would: "depend", on: ["account"] });
  });

  test("is no matter where nothing reads it, or the condition is false before that", async () => {
    expect(await ask({ context_sources: [ACCOUNT], task_templates: [log("a")] })).toMatchObject({ would: "run" });
    const reading = log("a", { params: { message: "{{ json(context.account) }}" } });
    const rest = { context_sources: [ACCOUNT], when: "event.payload.ok", task_templates: [reading] };
    expect(await ask(rest, { ok: false })).toMatchObject({ would: "skip", reason: "condition" });
  });
});

describe("templates that read results", () => {
  const chain = {
    task_templates: [
      log("mail", { for_each: "event.payload.to" }),
      log("report", { depends_on: ["mail"], params: { message: "{{ string(size(tasks.mail)) }} sent" } }),
      log("mend", { depends_on: ["report"], run_when: "any_failed" }),
    ],
  };

  test("wait, and say for what, where it is not told how the tasks end", async () => {
    expect(await ask(chain, { to: [1, 2] })).toMatchObject({
      templates: [
        { key: "mail", outcome: "made", count: 2 },
        { key: "report", outcome: "waiting", reason: expect.stringContaining("mail") },
        { key: "mend", outcome: "made" },
      ],
      tasks: [{ key: "mail" }, { key: "mail" }, { key: "mend", released: false }],
    });
  });

  test("are decided as the tasks are told to end, one after the other", async () => {
    const ends = (report: "succeeded" | "failed"): Partial<Known> => ({
      endOf: (key) => ({ status: key === "report" ? report : "succeeded" }),
    });
    expect(await ask(chain, { to: [1, 2] }, ends("succeeded"))).toMatchObject({
      templates: [
        { key: "mail" },
        { key: "report", outcome: "made" },
        { key: "mend", outcome: "skipped", cause: "dependency" },
      ],
      tasks: [{ key: "mail" }, { key: "mail" }, { key: "report", params: { message: "2 sent" }, released: true }],
    });
    expect(await ask(chain, { to: [1, 2] }, ends("failed"))).toMatchObject({
      tasks: [{ key: "mail" }, { key: "mail" }, { key: "report" }, { key: "mend", released: true }],
    });
  });
});
