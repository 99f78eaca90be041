/** What is refused of a nats task, and what its message is. */
import { describe, expect, test } from "bun:test";
import { createLog } from "../../src/kernel/log.ts";
import { createNatsExecutor } from "../../src/task/nats/executor.ts";
import { natsTask } from "../../src/task/nats/nats-task.ts";
import type { NatsParams } from "../../src/task/nats/params.ts";
import type { Message } from "../../src/task/nats/ports.ts";
import { httpAttempt } from "../support/http-attempt.ts";
import { taskFaultsOf } from "../support/task-faults.ts";

describe("a definition with", () => {
  test.each(["a", "orders.de.paid", "orders.{{ event.payload.country }}.paid", "a.b-c_d/e"])(
    "the subject %s is taken",
    (subject) => expect(taskFaultsOf("nats", { subject })).toEqual([]),
  );

  const shape = "expected words separated by dots, without spaces, received";
  test.each([
    ["a b", `${shape} "a b"`],
    ["a..b", `${shape} "a..b"`],
    [".a", `${shape} ".a"`],
    ["a\tb", `${shape} "a\\tb"`],
    ["orders.*", 'expected a subject without wildcards, received "orders.*"'],
    ["orders.>", 'expected a subject without wildcards, received "orders.>"'],
    ["$JS.API.STREAM.DELETE.ACTIVITY_EVENTS", "is one of NATS' own subjects"],
    ["$SYS.REQ.SERVER.PING", "is one of NATS' own subjects"],
    ["_INBOX.a", "is one of NATS' own subjects"],
  ])("the subject %j is refused", (subject, message) => {
    const faults = taskFaultsOf("nats", { subject });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(message);
  });

  test("headers that NATS does not take, or that are its own, is refused", () => {
    const headers = { "a:b": "1", "nats-msg-id": "1", "x-a": "1\r\nx-b: 2", "x-c": "{{ event.type }}" };
    expect(taskFaultsOf("nats", { subject: "a", headers })).toEqual([
      "/headers/a:b is no header of NATS: its name has characters that none may have",
      "/headers/nats-msg-id is one of NATS' own headers: the message id is the task's idempotency key",
      "/headers/x-a has a line break, which no header may have",
    ]);
  });
});

describe("a message", () => {
  const context = { signal: new AbortController().signal, log: createLog("silent") };
  async function messageOf(params: NatsParams): Promise<{ message: Message; result: unknown }> {
    const sent: Message[] = [];
    const keep = async (message: Message) => {
      sent.push(message);
      return { stream: "S", sequence: 7, duplicate: false };
    };
    const send = async (message: Message) => void sent.push(message);
    const attempt = { ...httpAttempt({ url: "" }), type: "nats", params };
    const result = await createNatsExecutor({ messages: { keep, send } })(attempt, context);
    return { message: sent[0] as Message, result };
  }

  test("has the task's idempotency key as its id, and its input as its data where there is no other", async () => {
    const { message, result } = await messageOf({ subject: "a.b", headers: { "x-a": "1" } });
    const { idempotency_key, input, trace_id } = httpAttempt({ url: "" });
    expect(message).toMatchObject({ subject: "a.b", messageId: idempotency_key, data: JSON.stringify(input) });
    expect(message.headers).toEqual({ "x-a": "1", traceparent: expect.stringContaining(trace_id) });
    expect(result).toEqual({ subject: "a.b", stream: "S", sequence: 7, duplicate: false });
  });

  test("is a text as it is, and anything else as JSON", async () => {
    expect((await messageOf({ subject: "a", data: "plain" })).message.data).toBe("plain");
    expect((await messageOf({ subject: "a", data: { a: [1] } })).message.data).toBe('{"a":[1]}');
    expect((await messageOf({ subject: "a", data: null })).message.data).toBe("null");
  });

  test("that no stream has to keep has no place in one", async () => {
    const { result } = await messageOf({ subject: "a", jetstream: false });
    expect(result).toEqual({ subject: "a", stream: null, sequence: null, duplicate: false });
  });

  test.each([{ subject: "hunter2 x" }, { subject: "$JS.API.INFO" }, { subject: "a", headers: { "x-a": "hunter2\n" } }])(
    "whose parts secrets made wrong (%j) fails for good",
    async (params) => {
      await expect(messageOf(params)).rejects.toMatchObject({ name: "TerminalError", code: "nats_message_invalid" });
    },
  );
});

test("who may read tasks sees the subject and the names of headers", () => {
  const shown = natsTask.show({ subject: "a", data: { a: 1 }, headers: { "x-a": "1" }, jetstream: false });
  expect(shown).toEqual({ subject: "a", data: "***", headers: { "x-a": "***" }, jetstream: false });
});
