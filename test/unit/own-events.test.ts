/** Events of actcore's own: how they are made, and how the outbox is emptied into the stream. */
import { describe, expect, test } from "bun:test";
import type { DefinitionBody } from "../../src/definition/schema.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { findEnvelopeFaults } from "../../src/event/envelope.ts";
import { findOwnEventFaults, makeOwnEvent } from "../../src/event/own-event.ts";
import { createOwnEventChore, type UnpublishedEvent } from "../../src/event/own-event-publisher.ts";
import { publishesOutcome } from "../../src/event/publish-outcome.ts";
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
      payload: { x: 1, depth: 1, chain: [] },
    });
  });

  test("is one deeper than the own event that led to it, and is cut from depth 16 on, which it says", () => {
    const made = [1, 14, 15, 1000].map((depth) => makeOwnEvent({ ...NEWS, cause: causedBy(depth) }));
    expect(made.map(({ payload, cut_reason }) => [payload.depth, cut_reason])).toEqual([
      [2, undefined],
      [15, undefined],
      [16, "chain_too_long"],
      [1001, "chain_too_long"],
    ]);
  });

  test("names the runs that led to it, the oldest first", () => {
    const first = makeOwnEvent({ ...NEWS, cause: null, run_id: "r1" });
    const second = makeOwnEvent({ ...NEWS, cause: { source: "actcore", payload: first.payload }, run_id: "r2" });
    expect(second.payload).toMatchObject({ depth: 2, chain: ["r1", "r2"] });
  });

  test("counts no depth that another source wrote, or that is no number", () => {
    const causes = [causedBy(15, "shop"), causedBy("15"), { source: "actcore", payload: null }];
    expect(causes.map((cause) => makeOwnEvent({ ...NEWS, cause }).payload.depth)).toEqual([1, 1, 1]);
  });

  test("is refused from others by its type, its id and its source", () => {
    const claimed = { ...envelopeOf("actcore.x"), type: "actcore.y", source: "actcore" };
    expect(findOwnEventFaults(claimed).map(({ path }) => path)).toEqual(["/event_id", "/type", "/source"]);
    expect(findOwnEventFaults({ ...envelopeOf("x"), type: "actcore", source: "actcore-shop" })).toEqual([]);
  });
});

test.each([
  [true, { publish_outcome: true, event_type: "actcore.run.failed" }],
  [false, { publish_outcome: false, event_type: "order.paid" }],
  [false, { event_type: "actcore.run.failed" }],
  [false, { event_type: "**" }],
  [null, { event_type: "actcore.activity.*" }],
  [null, { event_type: "order.paid" }],
])("whether an activity tells of its runs is %p with %p", (expected, { event_type, ...said }) => {
  const body = { ...said, trigger_config: { trigger_type: "event", event_type } } as unknown as DefinitionBody;
  expect(publishesOutcome(body)).toBe(expected);
});

describe("the outbox", () => {
  const eventAt = (n: number): UnpublishedEvent => ({
    event_id: `actcore.x:${String(n).padStart(3, "0")}`,
    type: "actcore.x",
    subject: "a",
    payload: { depth: 1, chain: [] },
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
