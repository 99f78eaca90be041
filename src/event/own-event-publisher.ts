/**
 * Publishes own events from the outbox to the stream: in the order in which they were made, and each until the stream has it.
 * A crash between publishing and noting it repeats the event, which its id makes harmless.
 */
import type { Chore } from "../kernel/chore.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import { createBackoff, inTime } from "../kernel/wait.ts";
import type { EventPublisher } from "./envelope.ts";
import { OWN_SOURCE, type OwnEvent } from "./own-event.ts";

export interface UnpublishedEvent extends OwnEvent {
  created_at: Date;
}

/** postgres/event/own-event-outbox.ts is behind it. */
export interface OwnEventOutbox {
  /** The next at most `limit` ones by (created_at, event_id), after the one given. */
  listUnpublished(limit: number, after?: UnpublishedEvent): Promise<UnpublishedEvent[]>;
  markPublished(eventIds: readonly string[]): Promise<void>;
  /** Calls back soon after an event was written; answers how to stop that. */
  onEvent(listener: () => void): Promise<() => Promise<void>>;
}

export interface OwnEventPublisherDeps {
  outbox: OwnEventOutbox;
  /** Asked when there is something to publish; may wait for NATS as long as that is away. */
  publisher(): Promise<EventPublisher>;
}

const POLL_MS = 30_000;
/** When another process was at it: that one may have looked just before the event was written. */
const ELSEWHERE_MS = 1_000;
const BATCH = 100;
/** A worker that does not reach NATS leaves it to others after so long. */
const REACHED_WITHIN_MS = 3_000;
const notReached = () => new RetryableError("nats_unavailable", "NATS: not reached yet");

/** One process at a time: two would publish out of order. */
export function createOwnEventChore({ outbox, publisher }: OwnEventPublisherDeps): Chore {
  return {
    name: "own_events",
    everyMs: POLL_MS,
    elsewhereMs: ELSEWHERE_MS,
    backoff: createBackoff(500, 10_000),
    listen: (wake) => outbox.onEvent(wake),
    failed: "own events are not published; they are kept until they are",
    recovered: "own events are published again",
    round: (signal) => publishAll(signal),
  };

  /** An event that the stream refuses for good holds up none behind it. */
  async function publishAll(signal: AbortSignal): Promise<void> {
    let refused: unknown;
    for (let after: UnpublishedEvent | undefined; !signal.aborted; ) {
      const events = await outbox.listUnpublished(BATCH, after);
      after = events.at(-1);
      if (after === undefined) break;
      const published: string[] = [];
      try {
        const { publish } = await inTime(publisher(), REACHED_WITHIN_MS, notReached);
        for (const event of events) {
          try {
            await publish(toEnvelope(event), { messageId: event.event_id });
            published.push(event.event_id);
          } catch (error) {
            if (!(error instanceof TerminalError)) throw error;
            refused ??= error;
          }
        }
      } finally {
        await outbox.markPublished(published);
      }
    }
    if (refused !== undefined) throw refused;
  }
}

function toEnvelope({ event_id, type, subject, payload, created_at }: UnpublishedEvent) {
  return { event_id, type, source: OWN_SOURCE, subject, occurred_at: created_at.toISOString(), payload };
}
