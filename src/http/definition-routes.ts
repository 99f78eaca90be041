/** Definitions over REST: listed, read, created. They are checked by definition/validate.ts, which names every fault. */
import { Type } from "@sinclair/typebox";
import { DefinitionInputSchema, DefinitionSchema } from "../definition/schema.ts";
import { REST_SOURCE } from "../definition/store.ts";
import { parseDefinition } from "../definition/validate.ts";
import { linkNext, PageQuery, type Route, requireFound, requireUuid } from "./route.ts";

const Params = Type.Object({ id: Type.String({ format: "uuid" }) });

export const DEFINITION_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/activity-definitions",
    tag: "Definitions",
    summary: "List the definitions, by name",
    query: Type.Object(PageQuery, { additionalProperties: false }),
    answers: { 200: Type.Array(DefinitionSchema) },
    async handle({ query, services, url }) {
      const { limit = 100, cursor } = query as { limit?: number; cursor?: string };
      const after = cursor === undefined ? {} : { after: cursor };
      const rows = await services.definitions.list({ limit, ...after });
      const headers = linkNext(url, rows.length, limit, rows.at(-1)?.name);
      return { body: rows, headers };
    },
  },
  {
    method: "POST",
    path: "/activity-definitions",
    tag: "Definitions",
    summary: "Create a definition",
    body: DefinitionInputSchema,
    answers: { 201: DefinitionSchema },
    async handle({ body, services }) {
      const definition = await services.definitions.create(parseDefinition(body), REST_SOURCE);
      return { status: 201, body: definition, headers: { location: `/activity-definitions/${definition.id}` } };
    },
  },
  {
    method: "GET",
    path: "/activity-definitions/:id",
    tag: "Definitions",
    summary: "Read a definition",
    params: Params,
    answers: { 200: DefinitionSchema },
    async handle({ params, services }) {
      const id = requireUuid(params, "id");
      return { body: requireFound(await services.definitions.find(id), `definition ${id}`) };
    },
  },
];
