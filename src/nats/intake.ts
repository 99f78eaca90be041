/**
 * Takes messages from the router's consumer and hands them on in groups: all that have arrived, up to a bound. One
 * group is handled at a time; while it is, the next gathers, so a burst makes large groups and a lone event waits for
 * nothing. No more is held than these two.
 *
 * While an engine is away nothing is asked for: what has arrived goes back to the stream at the first message that
 * the engine's absence keeps from being settled. Messages are taken again when the engines answer, one at first; where that one
 * goes through, the others follow.
 */
import { type MsgHdrs, millis, nanos } from "nats";
import type { StreamMessage } from "../dispatch/stream-message.ts";
import type { MessageHeaders } from "../event/cloud-event.ts";
import { describeError, describeWithHint, RetryableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { aborted, createBackoff, sleep } from "../kernel/wait.ts";
import { type Nats, unavailable } from "./connection.ts";
import { CONSUMER, STREAM } from "./names.ts";
import { openPuller, type PulledMessage, type Puller } from "./puller.ts";
import { ACK_WAIT_MS, ensureStream } from "./stream.ts";
import { findConsumerFault, findStreamFault, type StreamFault } from "./stream-faults.ts";

const MAX_GROUP = 200;
const MAX_GROUP_BYTES = 8 * 1024 ** 2;
const EXPIRES_MS = 3_000;
/** Of the first request: when no message has come so long, none waits. */
const FIRST_EXPIRES_MS = 1_000;
const LONGEST_PAUSE_MS = 2_000;

export interface IntakeDeps {
  nats: Nats;
  /** Settles every message of the group, or gives it back; never rejects. */
  handle(group: StreamMessage[]): Promise<void>;
  /** Resolves when the engines answer that `handle` needs; rejects with RetryableError. */
  probe(): Promise<unknown>;
  log: Log;
}

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

/** Says that messages were given back because an engine is away. */
class EngineAway extends Error {
  constructor(readonly reason: RetryableError) {
    super(describeWithHint(reason));
  }
}

export function startIntake({ nats, handle, probe, log }: IntakeDeps): Intake {
  const stopping = new AbortController();
  /** Why no messages are taken; undefined while they are. */
  let failure: StreamFault | undefined;

  async function run(): Promise<void> {
    const backoff = createBackoff(200, LONGEST_PAUSE_MS);
    const onTaken = () => {
      if (failure !== undefined) log.info("events are taken again");
      failure = undefined;
      backoff.reset();
    };
    while (!stopping.signal.aborted) {
      try {
        await probe().catch((error) => {
          throw error instanceof RetryableError ? new EngineAway(error) : error;
        });
        await ensureStream(nats, log);
        await take(onTaken);
      } catch (error) {
        const before = failure?.message;
        failure = error instanceof EngineAway ? toOutage(error) : toFault(describeError(error));
        if (failure.message !== before) log.warn({ reason: failure.message }, "events stay in the stream for now");
      }
      await sleep(backoff.next(), stopping.signal);
    }
  }

  /**
   * Takes messages until `stopping` aborts. What was not handled goes back to the stream. What waits for longer than a part of
   * the ack deadline is asked to be left to us, so that it is not delivered a second time.
   * @throws EngineAway; Error where the consumer gives no messages any more
   */
  async function take(onTaken: () => void): Promise<void> {
    const manager = await nats.connection.jetstreamManager();
    const { config, num_ack_pending } = await manager.consumers.info(STREAM, CONSUMER);
    const arrived: PulledMessage[] = [];
    let group: PulledMessage[] = [];
    let wake = () => {};
    const puller = openPuller(nats.connection, (message) => {
      arrived.push(message);
      wake();
    });
    const holding = setInterval(
      () => {
        for (const message of [...group, ...arrived]) message.working();
      },
      millis(config.ack_wait ?? nanos(ACK_WAIT_MS)) / 3,
    );
    const handleNext = async () => {
      group = takeGroup(arrived);
      await handleGroup(group);
      group = [];
      onTaken();
    };
    void aborted(stopping.signal).then(() => wake());
    const asking = createAsking(puller, () => wake());
    try {
      const came = await puller.pull(1, FIRST_EXPIRES_MS);
      if (came > 0) await handleNext();
      // What was given back for a while says nothing yet.
      else if (num_ack_pending === 0) onTaken();
      while (!stopping.signal.aborted) {
        asking.askFor(MAX_GROUP - arrived.length);
        if (arrived.length > 0) await handleNext();
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      clearInterval(holding);
      await puller.close();
      for (const message of arrived) message.nak();
    }
  }

  async function handleGroup(group: readonly PulledMessage[]): Promise<void> {
    let away: RetryableError | undefined;
    await handle(
      group.map((message) =>
        toStreamMessage(message, (reason) => {
          away ??= reason;
        }),
      ),
    );
    if (away !== undefined) throw new EngineAway(away);
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
        const fault = streamFault ?? findConsumerFault(consumer) ?? failure;
        const { num_pending: pending, num_ack_pending: ackPending } = consumer;
        return { lag: { pending, ackPending }, ...(fault && { fault }) };
      } catch (error) {
        return { fault: failure ?? toFault(describeError(unavailable(error))) };
      }
    },
  };
}

/** Keeps one request open, as long as there is room for half a group. */
function createAsking(puller: Puller, onEnd: () => void) {
  let isOpen = false;
  let failed: { error: unknown } | undefined;
  let came = 1;

  async function ask(room: number): Promise<void> {
    try {
      // A message may be larger than a group: after a request that brought nothing, one of any size is asked for.
      came = await (came === 0 ? puller.pull(1, EXPIRES_MS) : puller.pull(room, EXPIRES_MS, MAX_GROUP_BYTES));
    } catch (error) {
      failed = { error };
    }
    isOpen = false;
    onEnd();
  }

  return {
    /** @throws what the last request ended with, where it failed */
    askFor(room: number): void {
      if (failed !== undefined) throw failed.error;
      if (isOpen || room < MAX_GROUP / 2) return;
      isOpen = true;
      void ask(room);
    },
  };
}

function toFault(message: string): StreamFault {
  return {
    message,
    hint: `Where NATS is up, look at its streams and their consumers: nats stream report; nats consumer report ${STREAM}`,
  };
}

function toOutage({ message }: EngineAway): StreamFault {
  return {
    message,
    hint: "Events wait in the stream meanwhile, and are taken by themselves once the engine answers: see `engines`, and `actcore status` where it is embedded",
  };
}

function takeGroup(arrived: PulledMessage[]): PulledMessage[] {
  let bytes = 0;
  const end = arrived.findIndex((message, index) => {
    bytes += message.data.byteLength;
    return index > 0 && (index >= MAX_GROUP || bytes > MAX_GROUP_BYTES);
  });
  return arrived.splice(0, end === -1 ? arrived.length : end);
}

function toStreamMessage(message: PulledMessage, onAway: (reason: RetryableError) => void): StreamMessage {
  return {
    bytes: message.data,
    ...(message.headers && { headers: toHeaders(message.headers) }),
    ...(message.headersFault !== undefined && { headersFault: message.headersFault }),
    subject: message.subject,
    streamedAtNs: message.streamedAtNs,
    deliveries: message.deliveries,
    ack: () => message.ack(),
    terminate: (reason) => message.term(reason),
    retryAfter: (delayMs) => message.nak(delayMs),
    giveBack(reason, delayMs) {
      onAway(reason);
      message.nak(delayMs);
    },
  };
}

/** By names in lower case; several values of one name in the way of HTTP. */
function toHeaders(headers: MsgHdrs): MessageHeaders {
  const named = Map.groupBy(headers.keys(), (name) => name.toLowerCase());
  return new Map(
    [...named].map(([name, spellings]) => [name, spellings.flatMap((each) => headers.values(each)).join(", ")]),
  );
}
