/** Messages of nats tasks against a real NATS. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type JetStreamManager, StringCodec } from "nats";
import { type Nats, openNats } from "../../src/nats/connection.ts";
import { createMessagePublisher } from "../../src/nats/message-publisher.ts";
import type { Message } from "../../src/task/nats/ports.ts";
import { ENGINES_TIMEOUT_MS, eventually, useEngines } from "../support/engines.ts";

const id = crypto.randomUUID().slice(0, 8);
const STREAM = `TEST_${id}`;
const text = StringCodec();
let nats: Nats;
let manager: JetStreamManager;
beforeAll(async () => {
  nats = await openNats((await useEngines()).natsUrl, "test");
  manager = await nats.connection.jetstreamManager();
  await manager.streams.add({ name: STREAM, subjects: [`test.${id}.kept.>`], max_msg_size: 10_000, max_msgs: 3 });
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await manager?.streams.delete(STREAM);
  await nats?.close();
});

const never = new AbortController().signal;
const messageOf = (subject: string, message: Partial<Message> = {}): Message => ({
  subject: `test.${id}.${subject}`,
  data: "{}",
  headers: {},
  messageId: crypto.randomUUID(),
  ...message,
});
const keep = (message: Message, signal = never) => createMessagePublisher(async () => nats).keep(message, signal);

test("a stream keeps a message once, however often it is published, and says where", async () => {
  const message = messageOf("kept.a", { data: "hello", headers: { "X-A": "ä" } });
  const first = await keep(message);
  expect(first).toEqual({ stream: STREAM, sequence: expect.any(Number), duplicate: false });
  expect(await keep(message)).toEqual({ ...first, duplicate: true });
  const { data, header } = await manager.streams.getMessage(STREAM, { seq: first.sequence });
  expect(text.decode(data)).toBe("hello");
  expect([header.get("X-A"), header.get("Nats-Msg-Id")]).toEqual(["ä", message.messageId]);
});

test("a message that no stream takes in is not lost in silence", async () => {
  await expect(keep(messageOf("other"))).rejects.toMatchObject({
    name: "RetryableError",
    code: "nats_no_stream",
    hint: expect.stringContaining("jetstream: false"),
  });
});

test("a message that nobody has to keep reaches who subscribes", async () => {
  const received: string[] = [];
  const subscription = nats.connection.subscribe(`test.${id}.sent`, {
    callback: (_, { data, headers }) => void received.push(`${text.decode(data)} ${headers?.get("Nats-Msg-Id")}`),
  });
  const message = messageOf("sent", { data: "hello" });
  await createMessagePublisher(async () => nats).send(message, never);
  await eventually("it is received", () => received.length > 0);
  expect(received).toEqual([`hello ${message.messageId}`]);
  subscription.unsubscribe();
});

test.each(["no JSON", "{}", '{"stream": ""}'])("a service that answers %j is no stream", async (answer) => {
  const subscription = nats.connection.subscribe(`test.${id}.service`, {
    callback: (_, message) => void message.respond(text.encode(answer)),
  });
  await expect(keep(messageOf("service"))).rejects.toMatchObject({ name: "TerminalError", code: "nats_not_a_stream" });
  subscription.unsubscribe();
});

test("a message that is too large for its stream, or for the server, fails for good", async () => {
  const tooLarge = { name: "TerminalError", code: "nats_message_too_large" };
  await expect(keep(messageOf("kept.b", { data: "x".repeat(20_000) }))).rejects.toMatchObject(tooLarge);
  const data = "x".repeat((nats.connection.info?.max_payload ?? 0) + 1);
  await expect(keep(messageOf("kept.b", { data }))).rejects.toMatchObject(tooLarge);
});

test("a stream that is full and takes nothing new is tried again", async () => {
  const name = `${STREAM}_FULL`;
  await manager.streams.add({ name, subjects: [`test.${id}.full`], max_msgs: 1, discard: "new" as never });
  await keep(messageOf("full"));
  await expect(keep(messageOf("full"))).rejects.toMatchObject({
    name: "RetryableError",
    code: "nats_stream_refused",
    message: expect.stringContaining("maximum messages exceeded"),
  });
  await manager.streams.delete(name);
});

test("what goes to activity.> is an event's envelope, or fails for good", async () => {
  const message = messageOf("", { subject: "activity.test", data: '{"type": "test"}' });
  await expect(keep(message)).rejects.toMatchObject({ name: "TerminalError", code: "nats_event_invalid" });
});

test("a NATS that is not reached is tried again, and its wait ends with the try", async () => {
  const publisher = createMessagePublisher(() => new Promise(() => {}));
  const unavailable = { name: "RetryableError", code: "nats_unavailable" };
  await expect(publisher.keep(messageOf("kept.c"), never)).rejects.toMatchObject(unavailable);
  const begun = Date.now();
  await expect(publisher.keep(messageOf("kept.c"), AbortSignal.timeout(50))).rejects.toThrow("timed out");
  expect(Date.now() - begun).toBeLessThan(1_000);
});
