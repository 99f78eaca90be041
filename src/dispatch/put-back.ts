/** Gives a message back to the stream, which delivers it again: soon at first, then ever later. */
import { describeError, RetryableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { StreamMessage } from "./stream-message.ts";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;

export type PutBack = (message: StreamMessage, error: unknown) => void;

/** The waits grow so that an engine that is away is not hammered. */
export function createPutBack(log: Log): PutBack {
  return (message, error) => {
    const delayMs = Math.min(FIRST_WAIT_MS * 2 ** Math.min(message.deliveries, 10), LONGEST_WAIT_MS);
    log.warn({ subject: message.subject, reason: describeError(error), retry_in_ms: delayMs }, "event put back");
    if (!(error instanceof RetryableError)) log.error({ error }, "unexpected failure of the router");
    message.retryAfter(delayMs);
  };
}
