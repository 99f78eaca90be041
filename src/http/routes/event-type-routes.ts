/** Event types over REST: read only, for they come from files. */
import { type Static, Type } from "@sinclair/typebox";
import { EventTypeSchema } from "../../event/event-type.ts";
import { linkNext, listQuery } from "../query.ts";
import { type Route, requireFound } from "../route.ts";

const ListQuery = listQuery({});

export const EVENT_TYPE_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/event-types",
    tag: "Event types",
    scope: "definitions:read",
    summary: "List the event types, by name",
    query: ListQuery,
    answers: { 200: Type.Array(EventTypeSchema) },
    async handle({ query, services, url }) {
      const { limit = 100, cursor } = query as Static<typeof ListQuery>;
      const rows = await services.eventTypes.list({ limit, ...(cursor !== undefined && { after: cursor }) });
      return { body: rows, headers: linkNext(url, rows.length, limit, rows.at(-1)?.name) };
    },
  },
  {
    method: "GET",
    path: "/event-types/:name",
    tag: "Event types",
    scope: "definitions:read",
    summary: "Read an event type, with the JSON Schema of its payload",
    params: Type.Object({ name: Type.String() }),
    answers: { 200: EventTypeSchema },
    async handle({ params, services }) {
      const name = params.name ?? "";
      // Such a name is no event type's, and Postgres could not even look for it.
      const isStorable = !name.includes("\0") && name.isWellFormed();
      const found = isStorable ? await services.eventTypes.find(name) : undefined;
      return { body: requireFound(found, `event type ${JSON.stringify(name.slice(0, 200))}`) };
    },
  },
];
