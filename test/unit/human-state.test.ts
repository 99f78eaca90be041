/** What people and time make of a human task. */
import { describe, expect, test } from "bun:test";
import { parseDefinition } from "../../src/definition/validate.ts";
import {
  applyRequest,
  askedBy,
  type HumanRequest,
  type HumanTask,
  msUntilNext,
  passTime,
} from "../../src/task/human/human-state.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const NOW = new Date("2026-03-02T10:00:00Z");
const at = (minutes: number) => new Date(NOW.getTime() + minutes * 60_000);

function taskOf(rest: Partial<HumanTask> = {}): HumanTask {
  return {
    ...{ state: "open", claimed_by: null, reminders: 0, escalated_at: null, decided_at: null, decided_by: null },
    ...askedBy({ title: "Approve" }, NOW),
    ...rest,
  };
}
const claimed = taskOf({ state: "claimed", claimed_by: "ada" });
const completed = taskOf({ state: "completed", decided_at: NOW, decided_by: "ada" });
const expired = taskOf({ state: "expired", decided_at: NOW });
const late = taskOf({ expire_at: NOW });
const assigned = taskOf({ assignee: "ada" });

function tryTo(task: HumanTask, request: HumanRequest) {
  try {
    return applyRequest(task, request, NOW);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe("a request about a human task", () => {
  const by = "bob";
  const complete: HumanRequest = { action: "complete", by, answer: { ok: true } };
  const reject: HumanRequest = { action: "reject", by, comment: "no" };
  const done = { state: "completed", decided_at: NOW, decided_by: by, comment: null, answer: { ok: true } };

  test.each<[string, HumanTask, HumanRequest, unknown]>([
    ["claims an open task", taskOf(), { action: "claim", by }, { state: "claimed", claimed_by: by }],
    ["claims nothing that another has claimed", claimed, { action: "claim", by }, "task_claimed"],
    ["claims again what is claimed", claimed, { action: "claim", by: "ada" }, { state: "claimed", claimed_by: "ada" }],
    ["claims nothing that is another's", assigned, { action: "claim", by }, "task_assigned"],
    ["releases what was claimed", claimed, { action: "release", by: "ada" }, { state: "open", claimed_by: null }],
    ["releases nothing that another has claimed", claimed, { action: "release", by }, "task_not_claimed"],
    ["releases nothing that nobody has claimed", taskOf(), { action: "release", by }, "task_not_claimed"],
    ["completes an open task", taskOf(), complete, done],
    ["completes nothing that another has claimed", claimed, complete, "task_claimed"],
    ["completes nothing that is another's", assigned, complete, "task_assigned"],
    ["completes what is its own", taskOf({ assignee: by }), complete, done],
    ["completes nothing twice", completed, complete, "task_decided"],
    ["completes nothing that has expired", expired, complete, "task_decided"],
    ["completes nothing after its time, though no timer has ended it yet", late, complete, "task_expired"],
    ["claims nothing after its time", late, { action: "claim", by }, "task_expired"],
    ["rejects nothing that is completed", completed, reject, "task_decided"],
    ["rejects", taskOf(), reject, { state: "rejected", decided_at: NOW, decided_by: by, comment: "no" }],
    [
      "gives a claimed task to somebody else",
      claimed,
      { action: "reassign", by, assignee: "cleo" },
      { state: "open", claimed_by: null, assignee: "cleo", group: null },
    ],
    ["gives nothing away that is decided", completed, { action: "reassign", by, assignee: "cleo" }, "task_decided"],
  ])("%s", (_, task, request, expected) => {
    expect(tryTo(task, request)).toEqual(expected as never);
  });
});

describe("time", () => {
  const params = { title: "Approve", due_in: "1h", remind_every: "25m", expire_in: "3h" };
  const asked = taskOf({ ...askedBy(params, NOW), escalate_to: { group: "managers" } });

  test("does nothing before anything is due, and is next asked for when the first thing is", () => {
    expect(passTime(asked, at(24))).toEqual({ change: {}, news: [] });
    expect(msUntilNext(asked, NOW)).toBe(25 * 60_000);
    expect(msUntilNext(taskOf(), NOW)).toBeUndefined();
  });

  test("reminds, and counts reminders that were missed as one", () => {
    expect(passTime(asked, at(24.999 + 0.001))).toEqual({
      change: { reminders: 1, next_reminder_at: at(50) },
      news: ["waiting"],
    });
    expect(passTime({ ...asked, escalated_at: NOW }, at(130))).toEqual({
      change: { reminders: 1, next_reminder_at: at(150) },
      news: ["waiting"],
    });
  });

  test("makes a task that is due another's, once, whoever had claimed it", () => {
    const { change, news } = passTime({ ...asked, state: "claimed", claimed_by: "ada" }, at(60));
    expect(change).toMatchObject({
      ...{ state: "open", claimed_by: null, assignee: null, group: "managers", escalated_at: at(60) },
    });
    expect(news).toEqual(["due", "escalated", "waiting"]);
    expect(passTime({ ...asked, ...change }, at(61)).news).toEqual([]);
  });

  test("says that a task is due that nobody else is to get", () => {
    expect(passTime({ ...asked, escalate_to: null }, at(60)).news).toEqual(["due", "waiting"]);
  });

  test("ends a task that has expired, and never as done", () => {
    expect(passTime(asked, at(180))).toEqual({
      change: { state: "expired", decided_at: at(180), decided_by: null },
      news: ["expired"],
    });
  });
});

describe("a definition with a human task", () => {
  const faultsOf = (params: object) => {
    const task_templates = [{ key: "approve", type: "human", params: { title: "Approve", ...params } }];
    try {
      parseDefinition(
        { name: "a", trigger_config: { trigger_type: "event", event_type: "x" }, task_templates },
        TASK_RULES,
      );
      return [];
    } catch (error) {
      return (error as { faults: { path: string; message: string }[] }).faults.map(({ path, message }) => [
        path.replace("/task_templates/0/params", ""),
        message,
      ]);
    }
  };

  test("may have a form, times and expressions in what people read", () => {
    const form = { type: "object", required: ["approved"], properties: { approved: { type: "boolean" } } };
    expect(faultsOf({ form, title: "For {{ event.payload.who }}", due_in: "2d", expire_in: "7d" })).toEqual([]);
  });

  test.each<[string, object, string, RegExp]>([
    ["a form that is no JSON Schema", { form: { type: "text" } }, "/form/type", /./],
    ["a form with an expression", { form: { const: "{{ event.payload.x }}" } }, "/form", /takes no expression/],
    ["a title that reads a secret", { title: "{{ secret.X }}" }, "/title", /reads a secret/],
    ["an escalation without a due time", { escalate_to: { group: "g" } }, "/escalate_to", /needs due_in/],
    ["what it counts as when it never expires", { on_expiry: "reject" }, "/on_expiry", /needs expire_in/],
    ["an expiry that approves", { expire_in: "1h", on_expiry: "approve" }, "/on_expiry", /fail or reject/],
    ["reminders every second", { remind_every: "1s" }, "/remind_every", /from 60s|from 1m|duration/],
  ])("may not have %s", (_, params, path, message) => {
    expect(faultsOf(params)).toEqual([[path, expect.stringMatching(message)]]);
  });
});
