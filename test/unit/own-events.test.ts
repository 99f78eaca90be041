/** Events of actcore's own: how they are made, and how the outbox is emptied into the stream. */
import { describe, expect, test } from "bun:test";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { findEnvelopeFaults } from "../../src/event/envelope.ts";
import { findOwnEventFaults, makeOwnEvent } from "../../src/event/own-event.ts";
import { createOwnEventChore, type UnpublishedEvent } from "../../src/event/own-event-publisher.ts";
import { RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { envelopeOf } from "../support/ledger.ts";

const NEWS = { type: "actcore.activity.overdue", subject: "a1", occasion: "2026-01-01", payload: { x: 1 } } as const;
const causedBy = (depth: unknown, source = "actcore") => ({ source, payload: { depth } });

describe("an own event", () => {
  test("has an id that follows from its type, its subject and the occasion", () => {
    expect(makeOwnEvent({ ...NEWS, cause: null })).toEqual({
      event_id: "actcore.activity.overdue:a1:2026-01-01",
      type: "actcore.activity.overdue",
      subject: "a1",
      payload: { x: 1, depth: 1 },
    });
  });

  test("is one deeper than the own event that led to it, and is not made at depth 16", () => {
    const depths = [1, 2, 14, 15, 16, 1000].map(
      (depth) => makeOwnEvent({ ...NEWS, cause: causedBy(depth) })?.payload.depth,
    );
    expect(depths).toEqual([2, 3, 15, undefined, undefined, undefined]);
  });

  test("counts no depth that another source wrote, or that is no number", () => {
    const causes = [causedBy(15, "shop"), causedBy("15"), { source: "actcore", payload: null }];
    expect(causes.map((cause) => makeOwnEvent({ ...NEWS, cause })?.payload.depth)).toEqual([1, 1, 1]);
  });

  test("is refused from others by its type, its id and its source", () => {
    const claimed = { ...envelopeOf("actcore.x"), type: "actcore.y", source: "actcore" };
    expect(findOwnEventFaults(claimed).map(({ path }) => path)).toEqual(["/event_id", "/type", "/source"]);
    expect(findOwnEventFaults({ ...envelopeOf("x"), type: "actcore", source: "actcore-shop" })).toEqual([]);
  });
});

describe("the outbox", () => {
  const eventAt = (n: number): UnpublishedEvent => ({
    event_id: `actcore.x:${String(n).padStart(3, "0")}`,
    type: "actcore.x",
    subject: "a",
    payload: { depth: 1 },
    created_at: new Date(n),
  });

  /** One round over `count` events; `fate` may refuse one. */
  async function publishRound(count: number, fate: (eventId: string) => void = () => {}) {
    const published: { envelope: EventEnvelope; messageId?: string }[] = [];
    const marked: string[] = [];
    const waiting = Array.from({ length: count }, (_, n) => eventAt(n));
    const chore = createOwnEventChore({
      outbox: {
        listUnpublished: async (limit, after) =>
          waiting.filter(({ event_id }) => after === undefined || event_id > after.event_id).slice(0, limit),
        markPublished: async (ids) => void marked.push(...ids),
        onEvent: async () => async () => {},
      },
      publisher: async () => ({
        publish: async (envelope, options) => {
          fate(envelope.event_id);
          published.push({ envelope, ...options });
        },
      }),
    });
    const error = await Promise.resolve(chore.round(new AbortController().signal)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return { published, marked, error };
  }

  test("is published in order to its end, under the ids of the events, as envelopes that the router takes", async () => {
    const { published, marked } = await publishRound(250);
    expect(marked).toEqual(Array.from({ length: 250 }, (_, n) => eventAt(n).event_id));
    expect(published.map(({ messageId }) => messageId)).toEqual(marked);
    expect(published.flatMap(({ envelope }) => findEnvelopeFaults(envelope))).toEqual([]);
    expect(published[7]?.envelope).toMatchObject({ source: "actcore", occurred_at: "1970-01-01T00:00:00.007Z" });
  });

  test("stops where NATS is away, and what was published before is noted", async () => {
    const away = new RetryableError("nats_unavailable", "away");
    const { marked, error } = await publishRound(5, (id) => {
      if (id === eventAt(2).event_id) throw away;
    });
    expect(marked).toEqual([eventAt(0).event_id, eventAt(1).event_id]);
    expect(error).toBe(away);
  });

  test("goes on behind an event that the stream refuses, which stays unpublished and is reported", async () => {
    const refused = new TerminalError("event_too_large", "too large");
    const { marked, error } = await publishRound(3, (id) => {
      if (id === eventAt(1).event_id) throw refused;
    });
    expect(marked).toEqual([eventAt(0).event_id, eventAt(2).event_id]);
    expect(error).toBe(refused);
  });
});
