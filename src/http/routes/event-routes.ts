/** Events over REST: published into the stream (I2), and read back with what came of them (I3). */
import { Type } from "@sinclair/typebox";
import type { CheckedPublisher, Published } from "../../dispatch/checked-publisher.ts";
import { type EventEnvelope, EventEnvelopeSchema } from "../../event/envelope.ts";
import { EventSummary, EventView } from "../../explain/event-view.ts";
import { Nullable } from "../../json/schema-parts.ts";
import { ActcoreError, RetryableError } from "../../kernel/errors.ts";
import { MAX_EVENTS, MAX_LIST_BYTES, readEventBody, type SentEvents } from "../event-body.ts";
import { isStorable } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import { toProblem } from "../problem.ts";
import { Since } from "../query.ts";
import { type Reply, type Route, requireFound, route } from "../route.ts";

const Duplicate = Type.Boolean({
  description:
    "True: the event was recorded before, and is not published again. False: it was published; that it repeats one " +
    "which no router has recorded yet is found later.",
});
const PublishedSchema = Type.Object({ event_id: Type.String(), duplicate: Duplicate }, { title: "Published" });

const PublishedItem = Type.Union(
  [
    Type.Object({ event_id: Type.String(), status: Type.Literal(202), duplicate: Duplicate }),
    Type.Object({
      event_id: Nullable(Type.String({ description: "Null where the item is no event." })),
      status: Type.Integer({ description: "The one that the event would be answered alone." }),
      code: Type.String(),
      detail: Type.String(),
      hint: Type.Optional(Type.String()),
      errors: Type.Array(Type.Object({ path: Type.String(), message: Type.String() })),
    }),
  ],
  { title: "PublishedItem" },
);
const PublishedItems = Type.Array(PublishedItem, {
  description: "One for each item of the list, in its order.",
});

const Attribute = Type.String({ minLength: 1 });
const CloudEvent = Type.Object(
  {
    specversion: Type.Literal("1.0"),
    id: EventEnvelopeSchema.properties.event_id,
    source: EventEnvelopeSchema.properties.source,
    type: EventEnvelopeSchema.properties.type,
    subject: Type.Optional(Nullable(Type.String())),
    time: Type.Optional(Nullable(EventEnvelopeSchema.properties.occurred_at)),
    datacontenttype: Type.Optional(Nullable(Attribute)),
    dataschema: Type.Optional(Nullable(Attribute)),
    data: Type.Optional(Type.Unknown()),
    data_base64: Type.Optional(Nullable(Type.String())),
  },
  { title: "CloudEvent", description: "CloudEvents 1.0 in JSON. Whatever else it has is an extension." },
);
const OneEvent = Type.Union([EventEnvelopeSchema, CloudEvent]);
const SentEventsSchema = Type.Union([EventEnvelopeSchema, CloudEvent, Type.Array(OneEvent, { maxItems: MAX_EVENTS })], {
  title: "SentEvents",
});

export const EVENT_ROUTES: readonly Route[] = [
  route({
    method: "POST",
    path: "/events",
    scope: "events:write",
    summary:
      `Publish an event, or a list of up to ${MAX_EVENTS}: envelopes or CloudEvents (application/cloudevents+json, ` +
      "application/cloudevents-batch+json, or binary with ce- headers). 202: the stream has it, or all of them; 207: not all of a " +
      "list; 409 where another event has its id, 422 where its payload does not match an enforced type",
    body: {
      schema: SentEventsSchema,
      example: {
        event_id: "signup-1",
        type: "user.created",
        source: "shop",
        occurred_at: "2026-01-31T09:30:00Z",
        payload: { tier: "pro" },
      },
      raw: true,
      maxBytes: MAX_LIST_BYTES,
      read: (bytes, { headers }) => readEventBody(bytes as Uint8Array, headers),
    },
    answers: { 202: Type.Union([PublishedSchema, PublishedItems]), 207: PublishedItems },
    async handle({ body, services }) {
      if (Array.isArray(body)) return publishList(body, services.events);
      const { duplicate } = await services.events.publish(body);
      const { event_id } = body;
      return {
        status: 202,
        body: { event_id, duplicate },
        headers: { location: `/events/${encodeURIComponent(event_id)}` },
      };
    },
  }),
  listRoute({
    path: "/events",
    scope: "runs:read",
    summary: "List events, newest first",
    filters: {
      type: Type.Optional(Type.String({ maxLength: 200 })),
      outcome: Type.Optional(EventSummary.properties.outcome),
      since: Type.Optional(Since),
    },
    row: EventSummary,
    cursor: byId("row_id"),
    read: ({ services }, filter, page) => services.ledger.listEvents(filter, page),
  }),
  route({
    method: "GET",
    path: "/events/:event_id",
    scope: "runs:read",
    summary: "Read an event: its outcome, one per activity that it reached, and what else came under its id",
    params: Type.Object({ event_id: Type.String() }),
    answers: { 200: EventView },
    async handle({ params, services }) {
      const id = params.event_id;
      const found = isStorable(id) ? await services.ledger.findEvent(id) : undefined;
      return { body: requireFound(found, `event ${JSON.stringify(id.slice(0, 200))}`) };
    },
  }),
];

/**
 * 202 when every item is in the stream or was recorded before, else 207.
 * @throws RetryableError when none is, and an engine that is away is a reason of it
 */
async function publishList(items: Exclude<SentEvents, EventEnvelope>, publisher: CheckedPublisher): Promise<Reply> {
  const events = items.filter((item): item is EventEnvelope => !(item instanceof ActcoreError));
  const published = (await publisher.publishAll(events)).values();
  const answers = items.map((item) => ({
    event_id: item instanceof ActcoreError ? null : item.event_id,
    said: item instanceof ActcoreError ? item : (published.next().value as Published | ActcoreError),
  }));
  const failures = answers.map(({ said }) => said).filter((said) => said instanceof ActcoreError);
  const away = failures.find((failure) => failure instanceof RetryableError);
  if (away !== undefined && failures.length === items.length) throw away;
  return {
    status: failures.length === 0 ? 202 : 207,
    body: answers.map(({ event_id, said }) =>
      said instanceof ActcoreError ? { event_id, ...toProblem(said) } : { event_id, status: 202, ...said },
    ),
  };
}
