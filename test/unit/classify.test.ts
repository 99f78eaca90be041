import { describe, expect, test } from "bun:test";
import { classifyStart, MAX_INLINE_BYTES } from "../../src/occurrence/classify.ts";
import type { TriggerEvent } from "../../src/occurrence/judge.ts";
import type { ClaimRequest } from "../../src/run/run.ts";

const now = new Date("2026-01-31T09:30:00Z");
const envelope = { event_id: "e1", type: "x", source: "s", occurred_at: "2026-01-31T09:00:00Z" };
const classifyAny = (trigger_event: unknown, rest: Partial<ClaimRequest> = {}) =>
  classifyStart(
    {
      activity_id: "a",
      workflow_id: "wf",
      first_execution_run_id: "first",
      trigger_event: trigger_event as ClaimRequest["trigger_event"],
      ...rest,
    },
    now,
  );
/** Of a start that nothing was accepted for. */
function classify(trigger_event: unknown, rest: Partial<ClaimRequest> = {}): TriggerEvent {
  const start = classifyAny(trigger_event, rest);
  if (!("kind" in start)) throw new Error(`it counts as the accepted run ${start.run_id}`);
  return start;
}

test("a trigger event that comes as JSON text is read with exact numbers", () => {
  const payload = '{"id":9007199254740993,"big":[1e+400]}';
  const read = (trigger_event_json: string) => classify({}, { trigger_event_json });
  expect(JSON.stringify(read(payload).inline?.payload)).toBe(payload);
  expect(
    JSON.stringify(
      read(`{"event_id":"e1","type":"x","source":"s","occurred_at":"2026-01-31T09:00:00Z","payload":${payload}}`).inline
        ?.payload,
    ),
  ).toBe(payload);
  expect(() => read("9007199254740993")).toThrow("must be an object");
});

test("an event's id alone is the router's start", () => {
  expect(classify({ event_id: "e1" })).toEqual({ kind: "event", key: "e1", trigger: "event", event_id: "e1" });
});

test.each([["a\0b"], ["\ud800"], ["\ude00x"], ["é".repeat(101)], ["x".repeat(1_000_000)]])(
  "an id that no event can have is not looked for, and is shown in a few words",
  (event_id) => {
    const message = expect.stringMatching(/^no event can have the id "[ -~é]{1,200}"$/);
    expect(() => classify({ event_id })).toThrow(expect.objectContaining({ code: "event_not_found", message }));
  },
);

test("an event that is no object is shown in a few words: it may be why the workflow could not read it", () => {
  const start = () => classify("x".repeat(1_000_000));
  expect(start).toThrow(/^RunActivityWorkflow: trigger_event must be an object, received "x{199}$/);
});

test("a run's id alone is the start of a run that was accepted over REST", () => {
  const run_id = crypto.randomUUID();
  expect(classifyAny({ run_id })).toEqual({ run_id });
});

test("nothing, at a due time, is the schedule's start", () => {
  const scheduled_for = "2026-01-31T09:30:00.000Z";
  expect(classify({}, { scheduled_for })).toEqual({
    kind: "due",
    key: scheduled_for,
    trigger: "cron",
    due: new Date(scheduled_for),
  });
});

test("a due time that is still to come is not taken: a client can name it as a schedule does", () => {
  const scheduled_for = "2026-01-31T09:32:00.000Z";
  expect(() => classify({}, { scheduled_for })).toThrow(expect.objectContaining({ code: "not_due" }));
  expect(classify({}, { scheduled_for: "2026-01-31T09:30:30.000Z" })).toMatchObject({ kind: "due" });
});

test.each([[["a list"]], [7], [null], [undefined], [{ id: "a" }]])(
  "an activity's id is a string: %j is refused",
  (activity_id) => {
    const start = () => classify({}, { activity_id: activity_id as never });
    expect(start).toThrow(expect.objectContaining({ code: "activity_id_invalid" }));
  },
);

describe("a start by somebody else", () => {
  test("with an envelope is the occurrence of that event, and keeps the envelope", () => {
    expect(classify(envelope)).toEqual({
      kind: "event",
      key: "e1",
      trigger: "event",
      event_id: "e1",
      inline: envelope,
    });
  });

  test.each([
    [{}],
    [{ user: 7 }],
    [{ event_id: 5 }],
    [{ run_id: "mine" }],
    [{ run_id: "00000000-0000-0000-0000-000000000000", more: 1 }],
  ])("with the payload %j makes it the payload of an event", (payload) => {
    const start = classify(payload);
    expect(start).toMatchObject({
      kind: "foreign",
      key: "wf",
      trigger: "manual",
      inline: { payload, source: "temporal" },
    });
    expect(start.event_id).toBe(start.inline?.event_id as string);
  });

  test("gets the same event id when its claim is repeated, and another workflow gets another", () => {
    expect(classify({ a: 1 }).event_id).toBe(classify({ a: 1 }).event_id as string);
    expect(classify({ a: 1 }, { workflow_id: "other" }).event_id).not.toBe(classify({ a: 1 }).event_id);
  });

  test.each<[what: string, event: unknown, code: string]>([
    ["a list", [], "trigger_event_invalid"],
    ["null", null, "trigger_event_invalid"],
    ["a text", "e1", "trigger_event_invalid"],
    ["a faulty envelope", { ...envelope, occurred_at: "never" }, "trigger_event_invalid"],
    [
      "a payload that is nested too deep",
      { deep: JSON.parse("[".repeat(30_000) + "]".repeat(30_000)) },
      "trigger_event_invalid",
    ],
    ["an envelope of an id that is ours to give", { ...envelope, event_id: "manual:1" }, "trigger_event_invalid"],
    ["more than it may bring", { blob: "x".repeat(MAX_INLINE_BYTES) }, "trigger_event_too_large"],
  ])("with %s is refused", (_, event, code) => {
    expect(() => classify(event)).toThrow(expect.objectContaining({ code }));
  });
});

test("a due time may be one minute ahead of the worker's clock, and no more", () => {
  expect(classify({}, { scheduled_for: "2026-01-31T09:31:00.000Z" })).toMatchObject({ kind: "due" });
  expect(() => classify({}, { scheduled_for: "2026-01-31T09:31:00.001Z" })).toThrow("it is not");
});

test("the trigger event of a foreign start may have exactly 64 KiB", () => {
  const withBytes = (bytes: number) => ({ text: "x".repeat(bytes - JSON.stringify({ text: "" }).length) });
  expect(MAX_INLINE_BYTES).toBe(65_536);
  expect(classify(withBytes(65_536))).toMatchObject({ kind: "foreign" });
  expect(() => classify(withBytes(65_537))).toThrow("more than 65536");
});
