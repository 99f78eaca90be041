/** Publishes events into the stream; answered only when JetStream has them (I2). */
import { headers } from "nats";
import { RetryableError, TerminalError } from "../errors.ts";
import { type EventEnvelope, type EventPublisher, MAX_EVENT_BYTES } from "../trigger/event.ts";
import { type Nats, unavailable } from "./connection.ts";

export function createPublisher({ connection }: Nats): EventPublisher {
  const jetstream = connection.jetstream({ timeout: 5000 });
  return {
    async publish(envelope) {
      const bytes = new TextEncoder().encode(JSON.stringify(envelope));
      if (bytes.byteLength > MAX_EVENT_BYTES)
        throw new TerminalError(
          "event_too_large",
          `the event has ${bytes.byteLength} bytes, more than ${MAX_EVENT_BYTES}`,
        );
      if (connection.isClosed()) throw new RetryableError("nats_unavailable", "NATS: the connection is closed");
      const header = headers();
      if (envelope.trace_id !== undefined) header.set("X-Trace-Id", envelope.trace_id);
      try {
        await jetstream.publish(subjectOf(envelope), bytes, { headers: header });
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
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
