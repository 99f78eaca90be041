/**
 * `POST /events` in lists of 100 against bare JetStream, which stores the same events in a stream of its own: events per second
 * that are acknowledged on disk, in turns of one run. No router takes events meanwhile, so that only the door is measured.
 *
 * usage: bun test/bench/doors.ts [--short]
 */
import { connectNats, STREAM } from "../support/nats-client.ts";
import { findPorts, startServer } from "../support/server.ts";
import { envelope } from "../support/shared-server.ts";
import { median, print } from "./figures.ts";

const EVENTS = process.argv.includes("--short") ? 2_000 : 10_000;
const LIST = 100;
/** Lists that are under way at once. */
const SENDERS = 4;
const TURNS = 5;
const CONSUMER = "activity-core-event-router";

const server = await startServer({ flags: { ...(await findPorts()), logLevel: "warn" } });
try {
  await server.ready(60_000);
  const nats = await connectNats(server);
  const manager = await nats.jetstreamManager();
  const jetstream = nats.jetstream();
  await manager.streams.add({ name: "BARE", subjects: ["bare"] });
  await manager.consumers.pause(STREAM, CONSUMER, new Date(Date.now() + 3_600_000));

  const encoder = new TextEncoder();
  async function publishBare(events: readonly object[]): Promise<void> {
    await Promise.all(events.map((event) => jetstream.publish("bare", encoder.encode(JSON.stringify(event)))));
  }
  async function post(events: readonly object[]): Promise<void> {
    const { status, body } = await server.api("/events", { json: events });
    if (status !== 202) throw new Error(`${status}: ${JSON.stringify(body)}`);
  }

  /** Events per second. */
  async function measure(send: (events: readonly object[]) => Promise<void>, count: number): Promise<number> {
    let left = count / LIST;
    const beganMs = performance.now();
    await Promise.all(
      Array.from({ length: SENDERS }, async () => {
        while (left-- > 0)
          await send(Array.from({ length: LIST }, () => envelope("bench.door", { payload: { n: left } })));
      }),
    );
    return count / ((performance.now() - beganMs) / 1000);
  }

  for (const send of [publishBare, post]) await measure(send, 1_000);
  const ratios: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const bare = await measure(publishBare, EVENTS);
    const door = await measure(post, EVENTS);
    ratios.push(door / bare);
    print("events/s", `bare JetStream ${bare.toFixed(0)}, POST /events in lists of ${LIST} ${door.toFixed(0)}`);
  }
  const each = ratios.map((ratio) => ratio.toFixed(2)).join(", ");
  print("ratio", `${median(ratios).toFixed(2)} (of ${each}); wanted at least 0.50`);
  await nats.close();
} finally {
  await server.destroy();
}
process.exit(0);
