/**
 * Stream, intake and publisher on a real NATS. The stream's name is fixed, so each test begins without it; the tests of
 * one process run one after the other.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { AckPolicy, type JetStreamManager, nanos, type StreamConfig } from "nats";
import type { StreamMessage } from "../../src/dispatch/stream-message.ts";
import { RetryableError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { retryUntilDone } from "../../src/kernel/wait.ts";
import { type Nats, openNats } from "../../src/nats/connection.ts";
import { type Intake, startIntake } from "../../src/nats/intake.ts";
import { CONSUMER, STREAM } from "../../src/nats/names.ts";
import { createPublisher } from "../../src/nats/publisher.ts";
import { ensureStream } from "../../src/nats/stream.ts";
import { ENGINES_TIMEOUT_MS, eventually, useEngines } from "../support/engines.ts";
import { envelopeOf } from "../support/ledger.ts";
import { publishRawHeaders } from "../support/nats-client.ts";

const log = createLog("silent");
let nats: Nats;
let manager: JetStreamManager;
beforeAll(async () => {
  nats = await openNats((await useEngines()).natsUrl, "test");
  manager = await nats.connection.jetstreamManager();
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  await manager.streams.delete(STREAM).catch(() => {});
});
afterAll(async () => {
  await manager?.streams.delete(STREAM).catch(() => {});
  await nats?.close();
});

const publishRaw = (text: string) => nats.connection.jetstream().publish("activity.x", text);
const textOf = ({ bytes }: StreamMessage) => new TextDecoder().decode(bytes);

/** An intake that hands its groups to `handle`, for as long as `body` runs. */
async function withIntake(
  handle: (group: StreamMessage[]) => Promise<void>,
  body: (intake: Intake) => Promise<void>,
): Promise<void> {
  const intake = startIntake({ nats, handle, probe: async () => {}, log });
  try {
    await body(intake);
  } finally {
    intake.stop();
    await intake.done;
  }
}

describe("the stream", () => {
  test("is made once, together with the router's consumer, under the names that other programs rely on", async () => {
    await ensureStream(nats, log);
    await ensureStream(nats, log);
    const { config } = await manager.streams.info(STREAM);
    expect(config).toMatchObject({
      subjects: ["activity.>"],
      storage: "file",
      retention: "workqueue",
      discard: "new",
      max_age: 0,
      max_msgs: -1,
    });
    expect(config.max_bytes).toBeGreaterThan(0);
    const consumer = await manager.consumers.info(STREAM, CONSUMER);
    expect(consumer.config).toMatchObject({
      durable_name: "activity-core-event-router",
      ack_policy: "explicit",
      deliver_policy: "all",
      max_deliver: -1,
    });
  });

  test("is made once by several routers at once", async () => {
    // One that comes while another is at it may be refused for now, and asks again.
    const ensure = () =>
      retryUntilDone(
        () => ensureStream(nats, log),
        new AbortController().signal,
        () => {},
      );
    await Promise.all([1, 2, 3].map(ensure));
    expect((await manager.streams.info(STREAM)).state.consumer_count).toBe(1);
  });

  test("that somebody else made differently is used and not changed (I6)", async () => {
    await manager.streams.add({ name: STREAM, subjects: ["activity.>", "theirs"], max_age: nanos(3_600_000) });
    const before = await manager.streams.info(STREAM);
    await ensureStream(nats, log);
    expect((await manager.streams.info(STREAM)).config).toEqual(before.config);
  });

  test("that does not take events in is refused", async () => {
    await manager.streams.add({ name: STREAM, subjects: ["theirs"] });
    await expect(ensureStream(nats, log)).rejects.toMatchObject({ code: "stream_unusable", name: "TerminalError" });
  });

  test("whose consumer acknowledges otherwise is refused", async () => {
    await manager.streams.add({ name: STREAM, subjects: ["activity.>"] });
    await manager.consumers.add(STREAM, { durable_name: CONSUMER, ack_policy: "none" as never });
    await expect(ensureStream(nats, log)).rejects.toMatchObject({ code: "consumer_unusable" });
  });
});

describe("the publisher", () => {
  test("answers when the stream has the event, under a subject of its type", async () => {
    await ensureStream(nats, log);
    const event = envelopeOf("e1", { type: "user created.über", trace_id: "t1", payload: { a: 1 } });
    await createPublisher(nats).publish(event);
    const message = await manager.streams.getMessage(STREAM, { last_by_subj: "activity.>" });
    expect(message.subject).toBe("activity.user_created._ber");
    expect(message.json<unknown>()).toEqual(event);
  });

  test("refuses an event that no router would read", async () => {
    await ensureStream(nats, log);
    const event = envelopeOf("e1", { payload: "x".repeat(1_048_576) });
    await expect(createPublisher(nats).publish(event)).rejects.toMatchObject({ code: "event_too_large" });
    expect((await manager.streams.info(STREAM)).state.messages).toBe(0);
  });

  test.each<[string, Partial<StreamConfig>, string]>([
    ["that has no bytes left", { max_bytes: 100 }, "stream_full"],
    ["that has no messages left", { max_msgs: 1 }, "stream_full"],
    ["that takes only small messages", { max_msg_size: 10 }, "event_too_large"],
    ["that is sealed", { sealed: true }, "stream_sealed"],
    ["that takes other subjects", { subjects: ["other.>"] }, "nats_unavailable"],
  ])("says why a stream %s refuses an event", async (_, change, code) => {
    await ensureStream(nats, log);
    await publishRaw("first");
    await manager.streams.update(STREAM, change);
    const waits = code.startsWith("stream_") && { retryAfterMs: 30_000 };
    await expect(createPublisher(nats).publish(envelopeOf("e1"))).rejects.toMatchObject({ code, ...waits });
  });

  test("does not answer well while nobody keeps the event (I2)", async () => {
    await expect(createPublisher(nats).publish(envelopeOf("e1"))).rejects.toMatchObject({ code: "nats_unavailable" });
  });
});

describe("the intake", () => {
  beforeEach(() => ensureStream(nats, log));

  test("hands on in one group what arrived while the one before was handled", async () => {
    const groups: string[][] = [];
    const hold = Promise.withResolvers<void>();
    const handle = async (group: StreamMessage[]) => {
      groups.push(group.map(textOf));
      if (groups.length === 2) await hold.promise;
      for (const message of group) message.ack();
    };
    await withIntake(handle, async (intake) => {
      await publishRaw("0");
      await eventually(
        "one went through",
        async () => groups.length === 1 && (await intake.look()).lag?.ackPending === 0,
      );
      await publishRaw("1");
      await eventually("the next is at work", () => groups.length === 2);
      for (const text of ["2", "3", "4"]) await publishRaw(text);
      await eventually("all were given out", async () => (await intake.look()).lag?.ackPending === 4);
      await nats.connection.flush();
      hold.resolve();
      await eventually("all are acknowledged", async () => (await intake.look()).lag?.ackPending === 0);
    });
    expect(groups).toEqual([["0"], ["1"], ["2", "3", "4"]]);
    expect((await manager.streams.info(STREAM)).state.messages).toBe(0);
  });

  test("is given again what was put back, and never again what was terminated", async () => {
    const seen: string[] = [];
    const handle = async (group: StreamMessage[]) => {
      for (const message of group) {
        seen.push(`${textOf(message)} ${message.deliveries}`);
        if (textOf(message) === "bad") message.terminate("not_json");
        else if (message.deliveries < 3) message.retryAfter(1);
        else message.ack();
      }
    };
    await withIntake(handle, async () => {
      await publishRaw("bad");
      await publishRaw("late");
      await eventually("the stream is empty", async () => (await manager.streams.info(STREAM)).state.messages === 0);
    });
    expect(seen.sort()).toEqual(["bad 1", "late 1", "late 2", "late 3"]);
  });

  test("is given a message whose headers the client cannot read, and what comes after it", async () => {
    const seen: [string, boolean, string | undefined][] = [];
    const handle = async (group: StreamMessage[]) => {
      for (const message of group) {
        seen.push([textOf(message), message.headers !== undefined, message.headersFault]);
        message.ack();
      }
    };
    const { natsUrl } = await useEngines();
    await withIntake(handle, async () => {
      await publishRaw("before");
      for (const line of ["My Header: a", "x\xff: \xfe", "h\x00: a", "a : b"])
        await publishRawHeaders(natsUrl, "activity.x", [line], "bad");
      await publishRawHeaders(natsUrl, "activity.x", ["x-good: \xfe"], "good");
      await publishRaw("after");
      await eventually("all came", () => seen.length === 7);
    });
    const bad = seen.filter(([text]) => text === "bad");
    expect(bad.map(([, hasHeaders, fault]) => hasHeaders || fault === undefined)).toEqual([false, false, false, false]);
    expect(seen.filter(([text]) => text !== "bad").map(([text, hasHeaders]) => [text, hasHeaders])).toEqual([
      ["before", false],
      ["good", true],
      ["after", false],
    ]);
    await nats.ping();
  });

  test("that takes longer than the consumer waits keeps what it has been given", async () => {
    await ensureStream(nats, log);
    await manager.consumers.delete(STREAM, CONSUMER);
    const ackPolicy = { ack_policy: AckPolicy.Explicit, ack_wait: nanos(600) };
    await manager.consumers.add(STREAM, { durable_name: CONSUMER, ...ackPolicy });
    for (const text of ["1", "2", "3"]) await publishRaw(text);
    const deliveries: number[] = [];
    const handle = async (group: StreamMessage[]) => {
      await Bun.sleep(2_000);
      for (const message of group) {
        deliveries.push(message.deliveries);
        message.ack();
      }
    };
    await withIntake(handle, async (intake) => {
      const isDone = async () => deliveries.length > 2 && (await intake.look()).lag?.ackPending === 0;
      await eventually("each is acknowledged", isDone);
    });
    expect(deliveries).toEqual([1, 1, 1]);
  });

  test("asks for nothing while an engine is away, says why, and goes on by itself when it answers", async () => {
    const away = new RetryableError("postgres_unavailable", "Postgres: away");
    let isAway = true;
    let probes = 0;
    const groups: string[][] = [];
    const handle = async (group: StreamMessage[]) => {
      groups.push(group.map(textOf));
      for (const message of group)
        if (isAway) message.giveBack(away, 0);
        else message.ack();
    };
    // The engine answers the first question, and is away from then on.
    const probe = async () => {
      if (probes++ > 0 && isAway) throw away;
    };
    for (let n = 0; n < 5; n++) await publishRaw(`${n}`);
    const intake = startIntake({ nats, handle, probe, log });
    const consumer = () => manager.consumers.info(STREAM, CONSUMER);
    try {
      const { fault } = await eventually("it says why", async () => {
        const state = await intake.look();
        return state.fault && state;
      });
      expect(fault).toMatchObject({ message: "Postgres: away", hint: expect.stringContaining("wait in the stream") });
      await eventually("no request for messages is open", async () => (await consumer()).num_waiting === 0);
      await eventually("it goes on asking the engine", () => probes > 4);
      expect(groups).toEqual([["0"]]);
      expect((await consumer()).num_waiting).toBe(0);
      isAway = false;
      await eventually(
        "all are acknowledged",
        async () => Bun.deepEquals((await intake.look()).lag, { pending: 0, ackPending: 0 }),
        5_000,
      );
      expect(groups.slice(0, 2)).toEqual([["0"], ["0"]]);
      expect(groups.flat().toSorted()).toEqual(["0", "0", "1", "2", "3", "4"]);
      expect(await intake.look()).not.toHaveProperty("fault");
    } finally {
      intake.stop();
      await intake.done;
    }
  });

  test("goes on when its consumer was removed while it waits for messages", async () => {
    const seen: string[] = [];
    const handle = async (group: StreamMessage[]) => {
      for (const message of group) {
        seen.push(textOf(message));
        message.ack();
      }
    };
    await withIntake(handle, async () => {
      await publishRaw("before");
      await eventually("it is taken", () => seen.length === 1);
      await manager.consumers.delete(STREAM, CONSUMER);
      await publishRaw("after");
      await eventually("the consumer is made anew, and the message is taken", () => seen.length === 2, 5_000);
    });
    expect(seen).toEqual(["before", "after"]);
  });

  test("holds no more than two groups, however many messages wait", async () => {
    const hold = Promise.withResolvers<void>();
    let handled = 0;
    const handle = async (group: StreamMessage[]) => {
      if (handled > 0) await hold.promise;
      handled += group.length;
      for (const message of group) message.ack();
    };
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => publishRaw(`${n}`)));
    await withIntake(handle, async (intake) => {
      await eventually("a group is held up", async () => ((await intake.look()).lag?.ackPending ?? 0) >= 200);
      await Bun.sleep(300);
      expect((await intake.look()).lag?.ackPending).toBeLessThanOrEqual(400);
      hold.resolve();
      await eventually("all are taken", () => handled === 1_000);
    });
  });

  test("that stops finishes its group and puts the rest back at once for another", async () => {
    const hold = Promise.withResolvers<void>();
    const begun: string[] = [];
    const first = startIntake({
      nats,
      handle: async (group) => {
        begun.push(...group.map(textOf));
        if (begun.length > 1) await hold.promise;
        for (const message of group) message.ack();
      },
      probe: async () => {},
      log,
    });
    await publishRaw("0");
    await eventually("one went through", async () => begun.length === 1 && (await first.look()).lag?.ackPending === 0);
    await publishRaw("1");
    await eventually("the next is at work", () => begun.length === 2);
    await publishRaw("2");
    await eventually("the second was given out", async () => (await first.look()).lag?.ackPending === 2);
    first.stop();
    hold.resolve();
    await first.done;
    expect(begun).toEqual(["0", "1"]);
    const taken: string[] = [];
    const handle = async (group: StreamMessage[]) => {
      for (const message of group) {
        taken.push(textOf(message));
        message.ack();
      }
    };
    // Well before the 10 s after which an unacknowledged message would come by itself.
    await withIntake(handle, async () => void (await eventually("it comes again", () => taken.length > 0, 5_000)));
    expect(taken).toEqual(["2"]);
  });

  test("goes on when the stream was removed and made anew", async () => {
    const seen: string[] = [];
    const handle = async (group: StreamMessage[]) => {
      for (const message of group) {
        seen.push(textOf(message));
        message.ack();
      }
    };
    await withIntake(handle, async () => {
      await publishRaw("1");
      await eventually("the first is seen", () => seen.length === 1);
      await manager.streams.delete(STREAM);
      await eventually("the stream is there again", () => manager.streams.info(STREAM).catch(() => undefined), 25_000);
      await publishRaw("2");
      await eventually("the second is seen", () => seen.length === 2);
    });
  });
});

test("a NATS that is away is something to wait for", async () => {
  await expect(openNats("nats://127.0.0.1:1", "test")).rejects.toMatchObject({ code: "nats_unavailable" });
});
