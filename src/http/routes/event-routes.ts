/** Events over REST: published into the stream (I2), and read back with what came of them (I3). */
import { Type } from "@sinclair/typebox";
import { type EventEnvelope, EventEnvelopeSchema, findEnvelopeFaults } from "../../event/envelope.ts";
import { findOwnEventFaults } from "../../event/own-event.ts";
import { EventSummary, EventView } from "../../explain/event-view.ts";
import { InvalidInputError } from "../../kernel/errors.ts";
import { isStorable } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import { Since } from "../query.ts";
import { type Route, requireFound, route } from "../route.ts";

const Published = Type.Object(
  {
    event_id: Type.String(),
    duplicate: Type.Boolean({
      description:
        "True: the event was recorded before, and is not published again. False: it was published; that it repeats one " +
        "which no router has recorded yet is found later.",
    }),
  },
  { title: "Published" },
);

export const EVENT_ROUTES: readonly Route[] = [
  route({
    method: "POST",
    path: "/events",
    scope: "events:write",
    summary:
      "Publish an event; 409 where another was recorded under its id, 422 where its payload does not match an enforced type",
    body: {
      schema: EventEnvelopeSchema,
      example: {
        event_id: "signup-1",
        type: "user.created",
        source: "shop",
        occurred_at: "2026-01-31T09:30:00Z",
        payload: { tier: "pro" },
      },
      read: readEnvelope,
    },
    answers: { 202: Published },
    async handle({ body, services }) {
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

function readEnvelope(json: unknown): EventEnvelope {
  const faults = findEnvelopeFaults(json);
  if (faults.length > 0) throw new InvalidInputError("the event is not valid", faults, "invalid_event");
  const envelope = json as EventEnvelope;
  const claimed = findOwnEventFaults(envelope);
  if (claimed.length > 0)
    throw new InvalidInputError("only actcore publishes events of its own", claimed, "own_event", {
      hint: "Publish it under a type, an id and a source of yours; a dry run takes such an event",
    });
  return envelope;
}
