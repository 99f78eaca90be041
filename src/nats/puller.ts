/**
 * Asks the router's consumer for messages, never for more than are wanted, and loses none of them when it is closed.
 *
 * The client's own `consume` does neither: it asks for more as fast as messages arrive, however many wait here, and what
 * is on its way when it is closed comes again only after the ack deadline.
 */
import { createInbox, type Msg, type NatsConnection, nanos } from "nats";
import { inTime } from "../kernel/wait.ts";
import { type ReadHeaders, readHeaders } from "./headers.ts";
import { CONSUMER, STREAM } from "./names.ts";

const NEXT = `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${CONSUMER}`;
/** The server says that a request has expired. A server that says nothing has forgotten it: it was restarted. */
const ANSWER_GRACE_MS = 1_000;
const CLOSED_WITHIN_MS = 1_000;
/** Statuses after which the next request may bring messages: none waits, the request has expired. */
const OVER = new Set([404, 408]);

/** A message as the consumer gives it. The first of `ack`, `nak` and `term` counts, and the others do nothing then. */
export interface PulledMessage extends ReadHeaders {
  readonly data: Uint8Array;
  readonly subject: string;
  /** 1 for the first. */
  readonly deliveries: number;
  /** When the stream took it in; nanoseconds since 1970, as exact as a double is. */
  readonly streamedAtNs: number;
  ack(): void;
  /** Asks for another delivery, to whichever router asks for messages after `delayMs`. */
  nak(delayMs?: number): void;
  term(reason: string): void;
  /** Tells the server that the message is still worked on; does nothing once the message is settled. */
  working(): void;
}

export interface Puller {
  /**
   * Asks for up to `count` messages, of `maxBytes` together where that is said; one request at a time. Resolves with how many
   * came: when it is all of them, when the next would be too many bytes, or after `expiresMs`. Rejects when the consumer
   * answers otherwise, or not at all.
   */
  pull(count: number, expiresMs: number, maxBytes?: number): Promise<number>;
  /** Asks no more. What was on its way has reached `onMessage` when it resolves. Never rejects. */
  close(): Promise<void>;
}

export function openPuller(connection: NatsConnection, onMessage: (message: PulledMessage) => void): Puller {
  const inbox = createInbox();
  let request: { inbox: string; came: number; count: number; end(error?: Error): void } | undefined;
  let requests = 0;

  const subscription = connection.subscribe(`${inbox}.*`, {
    callback(error, message) {
      if (error !== null) request?.end(error);
      else if (message.subject.startsWith(inbox)) hearStatus(message);
      else {
        onMessage(toPulledMessage(message));
        if (request !== undefined && ++request.came === request.count) request.end();
      }
    },
  });

  function hearStatus(message: Msg): void {
    if (request === undefined || message.subject !== request.inbox) return; // of an earlier request
    const { code = 0, description = "" } = readHeaders(() => message.headers).headers ?? {};
    const isFull = code === 409 && /batch completed|exceeds maxbytes/i.test(description);
    request.end(OVER.has(code) || isFull ? undefined : new Error(`the consumer answered: ${code} ${description}`));
  }

  return {
    pull(count, expiresMs, maxBytes) {
      return new Promise((resolve, reject) => {
        const silence = setTimeout(
          () => request?.end(new Error("the consumer does not answer")),
          expiresMs + ANSWER_GRACE_MS,
        );
        const current = {
          inbox: `${inbox}.${++requests}`,
          came: 0,
          count,
          end(error?: Error) {
            clearTimeout(silence);
            request = undefined;
            if (error === undefined) resolve(current.came);
            else reject(error);
          },
        };
        request = current;
        const wanted = { batch: count, expires: nanos(expiresMs), max_bytes: maxBytes };
        try {
          connection.publish(NEXT, JSON.stringify(wanted), { reply: current.inbox });
        } catch (error) {
          current.end(error as Error);
        }
      });
    },
    async close() {
      request?.end();
      await inTime(subscription.drain(), CLOSED_WITHIN_MS, () => new Error("not drained")).catch(() =>
        subscription.unsubscribe(),
      );
    },
  };
}

/** How a message is settled, as JetStream's clients write it. */
const ACK = "+ACK";
const NAK = "-NAK";
const TERM = "+TERM";
const WORKING = "+WPI";

function toPulledMessage(message: Msg): PulledMessage {
  // $JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.sequence.time.pending[.random]
  const tokens = (message.reply ?? "").split(".");
  const at = tokens.length === 9 ? 4 : 6;
  let isSettled = false;
  const settle = (how: string) => {
    if (!isSettled) message.respond(how);
    isSettled = true;
  };
  return {
    data: message.data,
    subject: message.subject,
    ...readHeaders(() => message.headers),
    deliveries: Number(tokens[at]),
    streamedAtNs: Number(tokens[at + 3]),
    ack: () => settle(ACK),
    nak: (delayMs = 0) => settle(delayMs > 0 ? `${NAK} ${JSON.stringify({ delay: nanos(delayMs) })}` : NAK),
    term: (reason) => settle(`${TERM} ${reason}`),
    working() {
      if (!isSettled) message.respond(WORKING);
    },
  };
}
