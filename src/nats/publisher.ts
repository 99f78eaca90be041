/** Publishes events into the stream, and answers only when JetStream has stored them (I2). */
import { ErrorCode, NatsError } from "nats";
import pLimit from "p-limit";
import { type BatchPublisher, type EventEnvelope, MAX_EVENT_BYTES } from "../event/envelope.ts";
import { ActcoreError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { type Nats, unavailable } from "./connection.ts";
import { STREAM, SUBJECTS } from "./names.ts";

const ANSWER_WITHIN_MS = 1_500;
const ATTEMPTS = 3;
/** Of one batch: so many are stored well before the answer to the last one is waited for in vain, also by a slow disk. */
const MAX_IN_FLIGHT = 128;
/** JetStream: "message size exceeds maximum allowed". */
export const JS_MESSAGE_TOO_LARGE = 10054;
/** JetStream: "maximum bytes exceeded", "invalid operation on sealed stream". */
const JS_STREAM_FULL = 10077;
const JS_STREAM_SEALED = 10109;
/** When a sender may try again where the stream takes nothing in: that is not over within a few seconds. */
const REFUSED_RETRY_AFTER_MS = 30_000;
/** Another stream takes this subject, and would keep the event where no router reads it. */
const JS_OTHER_STREAM = 10060;

export function createPublisher({ connection, checkHealth }: Nats): BatchPublisher {
  const jetstream = connection.jetstream({ timeout: ANSWER_WITHIN_MS });
  const publisher: BatchPublisher = {
    async publish(envelope, { messageId } = {}) {
      const bytes = new TextEncoder().encode(JSON.stringify(envelope));
      if (bytes.byteLength > MAX_EVENT_BYTES)
        throw new TerminalError(
          "event_too_large",
          `the event has ${bytes.byteLength} bytes, more than ${MAX_EVENT_BYTES}`,
        );
      if (connection.isClosed()) throw new RetryableError("nats_unavailable", "NATS: the connection is closed");
      for (let attempt = 1; ; attempt++) {
        try {
          await jetstream.publish(subjectOf(envelope), bytes, {
            expect: { streamName: STREAM },
            ...(messageId !== undefined && { msgID: messageId }),
          });
          return;
        } catch (error) {
          // An answer that was lost with a broken connection never comes, so it is asked again; the event's id makes that safe.
          const lost = error instanceof NatsError && error.code === ErrorCode.Timeout;
          if (!lost) throw refusal(error) ?? unavailable(error);
          // A JetStream that has given up writing does not answer either, and asking it again is in vain.
          await checkHealth();
          if (attempt === ATTEMPTS) {
            const seconds = (ANSWER_WITHIN_MS * ATTEMPTS) / 1000;
            throw new RetryableError("nats_unavailable", `NATS: the event stream did not answer within ${seconds} s`, {
              hint: "See /readyz. A NATS of your own whose disk was full has to be restarted before it stores anything again",
              cause: error,
            });
          }
        }
      }
    },

    publishAll(envelopes) {
      let away: RetryableError | undefined;
      return pLimit(MAX_IN_FLIGHT).map(envelopes, async (envelope) => {
        if (away !== undefined) return away;
        try {
          await publisher.publish(envelope);
          return undefined;
        } catch (error) {
          if (!(error instanceof ActcoreError)) throw error;
          if (error instanceof RetryableError) away = error;
          return error;
        }
      });
    },
  };
  return publisher;
}

/** The error for an event that the server itself refuses; undefined for any other failure. */
function refusal(error: unknown): TerminalError | RetryableError | undefined {
  if (!(error instanceof NatsError)) return undefined;
  if (error.code === ErrorCode.MaxPayloadExceeded)
    return new TerminalError("event_too_large", "the event is larger than this NATS server accepts (max_payload)", {
      cause: error,
    });
  const code = error.api_error?.err_code;
  if (code === JS_MESSAGE_TOO_LARGE)
    return new TerminalError("event_too_large", `the event is larger than stream ${STREAM} takes (max_msg_size)`, {
      hint: "Make it smaller, or raise the stream's max_msg_size",
      cause: error,
    });
  if (code === JS_STREAM_SEALED)
    return new RetryableError("stream_sealed", `stream ${STREAM} is sealed: it takes nothing in, for ever`, {
      hint: "Remove the stream, and a router makes it anew",
      retryAfterMs: REFUSED_RETRY_AFTER_MS,
      cause: error,
    });
  if (code === JS_STREAM_FULL)
    return new RetryableError("stream_full", "the event stream is full: no router takes events out of it", {
      hint: "Start a router (`actcore serve --roles=router`), or raise the stream's max_bytes",
      retryAfterMs: REFUSED_RETRY_AFTER_MS,
      cause: error,
    });
  // JetStream's own refusals carry the same code as "no responders" where they are no fault of the sender.
  const isUnheard = code === undefined && error.code === ErrorCode.NoResponders;
  if (isUnheard || code === JS_OTHER_STREAM)
    return new RetryableError("nats_unavailable", `NATS: no stream ${STREAM} takes ${SUBJECTS} in`, {
      hint: "See /readyz of a router: it makes the stream where there is none",
      cause: error,
    });
  return undefined;
}

/** `activity.{type}`: for people who watch the stream; routing reads the envelope, never the subject. */
function subjectOf({ type }: EventEnvelope): string {
  const tokens = type
    .replace(/[^A-Za-z0-9_.-]/g, "_")
    .split(".")
    .filter((token) => token !== "");
  // A type of dots alone has no token, and `activity` itself is no subject of the stream.
  return ["activity", ...(tokens.length > 0 ? tokens : ["_"])].join(".");
}
