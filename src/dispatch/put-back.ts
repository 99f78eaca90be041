/** Gives messages back to the stream, which delivers them again. */
import { describeError, RetryableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { StreamMessage } from "./stream-message.ts";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;
/** Of a message that an engine may have kept from being settled: it waits no longer than that when the engine is back. */
const LONGEST_WAIT_FOR_ENGINE_MS = 5_000;

export interface PutBack {
  /** One message that could not be settled, while others could: it comes again soon at first, then ever later. */
  one(message: StreamMessage, error: unknown): void;
  /** Messages that nothing could be done with. Where an engine may be the reason, no others are taken before it answers. */
  all(messages: readonly StreamMessage[], error: unknown): void;
}

export function createPutBack(log: Log): PutBack {
  function one(message: StreamMessage, error: unknown): void {
    const delayMs = waitOf(message, error);
    log.warn({ subject: message.subject, reason: describeError(error), retry_in_ms: delayMs }, "event put back");
    if (!(error instanceof RetryableError)) log.error({ error }, "unexpected failure of the router");
    message.retryAfter(delayMs);
  }

  return {
    one,
    all(messages, error) {
      if (!(error instanceof RetryableError)) {
        for (const message of messages) one(message, error);
        return;
      }
      log.debug({ messages: messages.length, reason: describeError(error) }, "events given back");
      // The failure of one alone may be its own: it waits, so that the next try is made with another.
      for (const message of messages) message.giveBack(error, messages.length === 1 ? waitOf(message, error) : 0);
    },
  };
}

function waitOf({ deliveries }: StreamMessage, error: unknown): number {
  const longestMs = error instanceof RetryableError ? LONGEST_WAIT_FOR_ENGINE_MS : LONGEST_WAIT_MS;
  return Math.min(FIRST_WAIT_MS * 2 ** Math.min(deliveries, 10), longestMs);
}
