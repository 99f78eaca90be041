/** Publishes the messages of nats tasks. */
import { headers as createHeaders, ErrorCode, type MsgHdrs, NatsError, type PubAck } from "nats";
import { decodeEvent } from "../event/decode-event.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import { inTime, unlessAborted } from "../kernel/wait.ts";
import type { Message, MessagePublisher } from "../task/nats/ports.ts";
import { type Nats, unavailable } from "./connection.ts";
import { STREAM } from "./names.ts";
import { JS_MESSAGE_TOO_LARGE } from "./publisher.ts";

/** A worker that does not reach NATS tries again later. */
const REACHED_WITHIN_MS = 3_000;
const ANSWER_WITHIN_MS = 5_000;
/** What the event stream takes (SUBJECTS). */
const EVENTS = "activity.";

/** `connect` is called when a message is first published: a worker needs NATS for little else. */
export function createMessagePublisher(connect: () => Promise<Nats>): MessagePublisher {
  async function reach(signal: AbortSignal): Promise<Nats> {
    const nats = await unlessAborted(
      inTime(connect(), REACHED_WITHIN_MS, () => new Error("not reached yet")),
      signal,
    ).catch((error) => {
      throw signal.aborted ? error : unavailable(error);
    });
    if (nats.connection.isClosed()) throw new RetryableError("nats_unavailable", "NATS: the connection is closed");
    return nats;
  }

  return {
    async keep(message, signal) {
      const bytes = encode(message);
      const { connection, checkHealth } = await reach(signal);
      try {
        const { stream, seq, duplicate }: Partial<PubAck> = await unlessAborted(
          connection.jetstream({ timeout: ANSWER_WITHIN_MS }).publish(message.subject, bytes, {
            msgID: message.messageId,
            headers: toHeaders(message),
          }),
          signal,
        );
        if (stream === undefined || seq === undefined) throw notAStream(message);
        return { stream, sequence: seq, duplicate: duplicate ?? false };
      } catch (error) {
        if (signal.aborted) throw error;
        // A JetStream that has given up writing does not answer; its health says why.
        if (isTimeout(error)) await checkHealth();
        throw toFailure(error, message);
      }
    },

    async send(message, signal) {
      const bytes = encode(message);
      const { connection } = await reach(signal);
      const headers = toHeaders(message);
      headers.set("Nats-Msg-Id", message.messageId);
      try {
        connection.publish(message.subject, bytes, { headers });
        await unlessAborted(
          inTime(connection.flush(), ANSWER_WITHIN_MS, () => new Error(`no answer within ${ANSWER_WITHIN_MS} ms`)),
          signal,
        );
      } catch (error) {
        throw signal.aborted ? error : toFailure(error, message);
      }
    },
  };
}

/** @throws TerminalError `nats_event_invalid` where the router would only set it aside */
function encode({ subject, data, headers }: Message): Uint8Array {
  const bytes = new TextEncoder().encode(data);
  if (!subject.startsWith(EVENTS)) return bytes;
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const decoded = decodeEvent(bytes, { headers: new Map(named), receivedAt: new Date() });
  if (decoded.ok) return bytes;
  throw new TerminalError("nats_event_invalid", `what is published to ${subject} is an event: ${decoded.detail}`, {
    hint: "Let `data` be an envelope or a CloudEvent (docs/events.md), or choose a subject that does not begin with activity.",
  });
}

function toHeaders(message: Message): MsgHdrs {
  const headers = createHeaders();
  for (const [name, value] of Object.entries(message.headers)) headers.set(name, value);
  return headers;
}

function isTimeout(error: unknown): boolean {
  return error instanceof NatsError && error.code === ErrorCode.Timeout;
}

function toFailure(error: unknown, message: Message): TerminalError | RetryableError {
  if (error instanceof TerminalError) return error;
  if (!(error instanceof NatsError)) return unavailable(error);
  const { subject } = message;
  const { code, api_error } = error;
  if (code === ErrorCode.MaxPayloadExceeded)
    return new TerminalError(
      "nats_message_too_large",
      "the message is larger than this NATS server accepts (max_payload)",
    );
  if (api_error?.err_code === JS_MESSAGE_TOO_LARGE)
    return new TerminalError("nats_message_too_large", "the message is larger than its stream takes (max_msg_size)");
  if (api_error !== undefined)
    return new RetryableError("nats_stream_refused", `the stream of ${subject} refused it: ${api_error.description}`);
  if (code === ErrorCode.NoResponders)
    return new RetryableError("nats_no_stream", `no stream takes ${subject} in`, {
      hint: subject.startsWith(EVENTS)
        ? `A router makes the stream ${STREAM}: see its /readyz`
        : "Make a stream for it, or set `jetstream: false` where nobody has to keep it",
    });
  if (code === ErrorCode.Timeout)
    return new RetryableError(
      "nats_unavailable",
      `NATS: no stream answered on ${subject} within ${ANSWER_WITHIN_MS} ms`,
    );
  if (code === ErrorCode.JetStreamInvalidAck || code === ErrorCode.BadJson) return notAStream(message);
  return unavailable(error);
}

function notAStream({ subject }: Message): TerminalError {
  return new TerminalError("nats_not_a_stream", `what answered on ${subject} is no stream`, {
    hint: "Set `jetstream: false` where a service takes it, and nobody has to keep it",
  });
}
