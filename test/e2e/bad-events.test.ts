/** What is no event: kept with its reason and its bytes, never delivered again, and in nobody's way. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { eventually } from "../support/engines.ts";
import { connectNats, countMessages } from "../support/nats-client.ts";
import { SERVER_TIMEOUT_MS, type Server } from "../support/server.ts";
import { define, envelope, finishedRuns, useServer } from "../support/shared-server.ts";

let server: Server;
let nats: NatsConnection;
beforeAll(async () => {
  server = await useServer();
  nats = await connectNats(server);
}, SERVER_TIMEOUT_MS);
afterAll(() => nats?.close());

/** What the server's log says of dead letters on this subject, in its order. */
function deadLetters(subject: string): { event_id: string; reason: string }[] {
  return server
    .stderr()
    .split("\n")
    .filter((line) => line.includes("dead-lettered") && line.includes(`"${subject}"`))
    .map((line) => JSON.parse(line));
}

const streamIsEmpty = () => eventually("the stream is empty", async () => (await countMessages(nats)) === 0);

test.each([
  ["no JSON", "not_json", "{ this is no JSON"],
  ["no envelope", "not_an_envelope", '{"hello":"world"}'],
  ["no UTF-8", "not_json", new Uint8Array([0x7b, 0xff, 0xfe, 0x00])],
  ["larger than 1 MB", "too_large", JSON.stringify(envelope("big", { payload: "x".repeat(1_100_000) }))],
] as const)(
  "a message that is %s is kept as dead-lettered with its bytes, and terminated",
  async (_, reason, content) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const subject = `activity.bad.${crypto.randomUUID()}`;
    await nats.jetstream().publish(subject, bytes);
    const letter = await eventually("the log names the dead letter", () => deadLetters(subject)[0]);
    expect(letter.reason).toBe(reason);
    const { status, body } = await server.api(`/events/${letter.event_id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ outcome: "dead_lettered", reason, subject });
    expect(Buffer.from(body.raw_base64, "base64").equals(bytes)).toBe(true);
    await streamIsEmpty();
  },
);

test("of 50 bad messages among 50 good ones each good one becomes its run, and each bad one a dead letter", async () => {
  const { id, type } = await define(server);
  const subject = `activity.mixed.${crypto.randomUUID()}`;
  const encoder = new TextEncoder();
  await Promise.all(
    Array.from({ length: 50 }, (_, at) => [encoder.encode(`bad ${at}`), encoder.encode(JSON.stringify(envelope(type)))])
      .flat()
      .map((bytes) => nats.jetstream().publish(subject, bytes)),
  );
  const runs = await finishedRuns(server, id, 50);
  expect(runs.map(({ status }) => status)).toEqual(Array(50).fill("succeeded"));
  await streamIsEmpty();
  const letters = await eventually("all are named", () => deadLetters(subject).length >= 50 && deadLetters(subject));
  expect(new Set(letters.map(({ event_id }) => event_id)).size).toBe(50);
  expect(letters).toHaveLength(50);
});
