/** Event types over REST: read only, for they come from files. */
import { Type } from "@sinclair/typebox";
import { EventTypeSchema } from "../../event/event-type.ts";
import { isStorable } from "../ids.ts";
import { BY_NAME, listRoute } from "../list-route.ts";
import { type Route, requireFound, route } from "../route.ts";

export const EVENT_TYPE_ROUTES: readonly Route[] = [
  listRoute({
    path: "/event-types",
    scope: "definitions:read",
    summary: "List the event types, by name",
    filters: {},
    row: EventTypeSchema,
    cursor: BY_NAME,
    read: ({ services }, _, page) => services.eventTypes.list(page),
  }),
  route({
    method: "GET",
    path: "/event-types/:name",
    scope: "definitions:read",
    summary: "Read an event type, with the JSON Schema of its payload",
    params: Type.Object({ name: Type.String() }),
    answers: { 200: EventTypeSchema },
    async handle({ params, services }) {
      const { name } = params;
      const found = isStorable(name) ? await services.eventTypes.find(name) : undefined;
      return { body: requireFound(found, `event type ${JSON.stringify(name.slice(0, 200))}`) };
    },
  }),
];
