/**
 * Takes messages from the router's consumer and hands them on in groups: all that have arrived, up to a bound. One
 * group is handled at a time; while it is, the next gathers, so a burst makes large groups and a lone event waits for
 * nothing.
 */
import { type ConsumerMessages, type JsMsg, millis, nanos } from "nats";
import type { StreamMessage } from "../dispatch/stream-message.ts";
import { describeError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { aborted, createBackoff, sleep } from "../kernel/wait.ts";
import { type Nats, unavailable } from "./connection.ts";
import { CONSUMER, STREAM } from "./names.ts";
import { ACK_WAIT_MS, ensureStream } from "./stream.ts";
import { findConsumerFault, findStreamFault, type StreamFault } from "./stream-faults.ts";

const MAX_GROUP = 200;
const MAX_GROUP_BYTES = 8 * 1024 ** 2;

export interface Intake {
  /** Settles when the intake has stopped and its last group is handled. */
  readonly done: Promise<void>;
  /** Stops asking for messages; what has arrived and was not begun goes back to the stream. */
  stop(): void;
  /** Never rejects. */
  look(): Promise<IntakeState>;
}

export interface IntakeState {
  /** Messages that no router was given yet, and those that were given and not acknowledged; undefined: not known. */
  lag?: { pending: number; ackPending: number };
  /** Why no events come in, or none are taken; undefined: they are. */
  fault?: StreamFault;
}

export function startIntake(nats: Nats, handle: (group: StreamMessage[]) => Promise<void>, log: Log): Intake {
  const stopping = new AbortController();
  /** Why the last round failed; undefined while a round takes messages. */
  let failure: string | undefined;

  async function run(): Promise<void> {
    const backoff = createBackoff();
    while (!stopping.signal.aborted) {
      try {
        await ensureStream(nats, log);
        const consumer = await nats.connection.jetstream().consumers.get(STREAM, CONSUMER);
        const { config } = await consumer.info(true);
        const messages = await consumer.consume({ max_messages: 2 * MAX_GROUP, expires: 10_000 });
        backoff.reset();
        failure = undefined;
        await handleGroups(messages, handle, millis(config.ack_wait ?? nanos(ACK_WAIT_MS)), stopping.signal);
      } catch (error) {
        failure = describeError(error);
        log.warn({ error }, "intake interrupted");
      }
      await sleep(backoff.next(), stopping.signal);
    }
  }

  return {
    done: run(),
    stop: () => stopping.abort(),
    async look() {
      try {
        const manager = await nats.connection.jetstreamManager();
        const stream = await manager.streams.info(STREAM);
        const streamFault = findStreamFault(stream.config);
        // A consumer that cannot be made for the stream's fault is that fault.
        const consumer = await manager.consumers.info(STREAM, CONSUMER).catch((error) => {
          if (streamFault === undefined) throw error;
        });
        if (consumer === undefined) return { ...(streamFault && { fault: streamFault }) };
        const fault = streamFault ?? findConsumerFault(consumer) ?? (failure && toFault(failure));
        const { num_pending: pending, num_ack_pending: ackPending } = consumer;
        return { lag: { pending, ackPending }, ...(fault && { fault }) };
      } catch (error) {
        return { fault: toFault(failure ?? describeError(unavailable(error))) };
      }
    },
  };
}

function toFault(message: string): StreamFault {
  return {
    message,
    hint: `Where NATS is up, look at its streams and their consumers: nats stream report; nats consumer report ${STREAM}`,
  };
}

/**
 * Handles what arrives until the consumer ends or `stopping` aborts. What was not handled goes back to the stream. What waits
 * for longer than a part of `ackWaitMs` is asked to be left to us, so that it is not delivered a second time.
 */
async function handleGroups(
  messages: ConsumerMessages,
  handle: (group: StreamMessage[]) => Promise<void>,
  ackWaitMs: number,
  stopping: AbortSignal,
): Promise<void> {
  const arrived: JsMsg[] = [];
  let group: JsMsg[] = [];
  const holding = setInterval(() => {
    for (const message of [...group, ...arrived]) message.working();
  }, ackWaitMs / 3);
  let wake = () => {};
  let ended = false;
  const end = () => {
    ended = true;
    wake();
  };
  const gathering = gather(messages, (message) => {
    arrived.push(message);
    wake();
  }).then(end, end);
  const watching = closeWhenGone(messages).catch(() => {}); // where it fails, the end of the consumer is noticed by `gathering`
  void aborted(stopping).then(() => wake());

  try {
    while (!stopping.aborted && !(ended && arrived.length === 0)) {
      if (arrived.length > 0) {
        group = takeGroup(arrived);
        await handle(group.map(toStreamMessage));
      } else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    clearInterval(holding);
    await messages.close();
    await Promise.all([gathering, watching]);
    for (const message of arrived) message.nak();
  }
}

async function gather(messages: ConsumerMessages, onMessage: (message: JsMsg) => void): Promise<void> {
  for await (const message of messages) onMessage(message);
}

/** A consumer that was deleted under us is made anew by the next round. */
async function closeWhenGone(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of await messages.status()) {
    if (type === "consumer_deleted" || type === "stream_not_found" || type === "consumer_not_found") {
      await messages.close();
      return;
    }
  }
}

function takeGroup(arrived: JsMsg[]): JsMsg[] {
  let bytes = 0;
  const end = arrived.findIndex((message, index) => {
    bytes += message.data.byteLength;
    return index > 0 && (index >= MAX_GROUP || bytes > MAX_GROUP_BYTES);
  });
  return arrived.splice(0, end === -1 ? arrived.length : end);
}

function toStreamMessage(message: JsMsg): StreamMessage {
  return {
    bytes: message.data,
    subject: message.subject,
    streamedAtNs: message.info.timestampNanos,
    deliveries: message.info.deliveryCount,
    ack: () => message.ack(),
    terminate: (reason) => message.term(reason),
    retryAfter: (delayMs) => message.nak(delayMs),
  };
}
