/**
 * The event stream and the router's consumer. What is there already is somebody's: it is checked, never changed (I6).
 */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamManager,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "nats";
import { MAX_EVENT_BYTES } from "../event/envelope.ts";
import { TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { type Nats, unavailable } from "./connection.ts";
import { CONSUMER, STREAM, SUBJECTS } from "./names.ts";
import { findAckFault, findSubjectFault } from "./stream-faults.ts";

/** Milliseconds after which a message that was not acknowledged is delivered again. */
export const ACK_WAIT_MS = 10_000;
const MAX_BYTES = 8 * 1024 ** 3;

const JS_NOT_FOUND = new Set([10059, 10014]);
const JS_NO_STORAGE = 10047;

/** Makes stream and consumer where they are not, and says in the log where an existing one differs from ours. */
export async function ensureStream({ connection }: Nats, log: Log): Promise<void> {
  try {
    const manager = await connection.jetstreamManager();
    await ensureStreamItself(manager, log);
    await ensureConsumer(manager, log);
  } catch (error) {
    throw error instanceof TerminalError ? error : unavailable(error);
  }
}

async function ensureStreamItself(manager: JetStreamManager, log: Log): Promise<void> {
  const info = await manager.streams.info(STREAM).catch(ignoreMissing);
  if (info === undefined) {
    await createStream(manager);
    log.info({ stream: STREAM, subjects: SUBJECTS }, "stream created");
    return;
  }
  const { max_age, retention, max_msg_size } = info.config;
  const fault = findSubjectFault(info.config);
  if (fault !== undefined) throw new TerminalError("stream_unusable", fault.message, { hint: fault.hint });
  if (max_age > 0)
    log.warn(
      { stream: STREAM, max_age_ms: max_age / 1e6 },
      "this stream's max_age drops events that were never processed",
    );
  if (max_msg_size > 0 && max_msg_size < MAX_EVENT_BYTES)
    log.warn({ stream: STREAM, max_msg_size }, "this stream refuses events that actcore would take");
  if (retention !== RetentionPolicy.Workqueue)
    log.warn({ stream: STREAM, retention }, "this stream keeps acknowledged events until it is full");
}

async function createStream(manager: JetStreamManager): Promise<void> {
  const config: Partial<StreamConfig> & { name: string } = {
    name: STREAM,
    subjects: [SUBJECTS],
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    max_age: 0,
  };
  // A small disk gets a smaller bound: JetStream refuses to promise what it does not have.
  for (let max_bytes = MAX_BYTES; ; max_bytes /= 4) {
    try {
      await manager.streams.add({ ...config, max_bytes });
      return;
    } catch (error) {
      const noStorage = error instanceof NatsError && error.api_error?.err_code === JS_NO_STORAGE;
      if (noStorage && max_bytes >= 64 * 1024 ** 2) continue;
      // Another process made it in the same moment.
      if ((await manager.streams.info(STREAM).catch(ignoreMissing)) === undefined) throw error;
      return;
    }
  }
}

async function ensureConsumer(manager: JetStreamManager, log: Log): Promise<void> {
  const wanted: Partial<ConsumerConfig> = {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1,
    max_ack_pending: 4096,
  };
  const info = await manager.consumers.info(STREAM, CONSUMER).catch(ignoreMissing);
  if (info === undefined) {
    await manager.consumers.add(STREAM, wanted);
    log.info({ consumer: CONSUMER }, "consumer created");
    return;
  }
  const fault = findAckFault(info.config);
  if (fault !== undefined) throw new TerminalError("consumer_unusable", fault.message, { hint: fault.hint });
  if ((info.config.max_deliver ?? -1) > 0)
    log.warn(
      { consumer: CONSUMER, max_deliver: info.config.max_deliver },
      "this consumer gives events up silently after max_deliver tries",
    );
}

/** To be given to `catch`: undefined where there is no such stream or consumer. */
function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof NatsError && JS_NOT_FOUND.has(error.api_error?.err_code ?? 0))) throw error;
}
