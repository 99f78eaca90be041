/** When definitions are due next: one that is stored, and one that is only tried out. */
import { type Static, Type } from "@sinclair/typebox";
import { parseNewDefinition } from "../../definition/rest-change.ts";
import { definitionInputSchema } from "../../definition/schema.ts";
import { DEFAULT_PREVIEWED, MAX_PREVIEWED, previewDueTimes } from "../../schedule/preview.ts";
import type { TaskTypes } from "../../task/task-type.ts";
import { ActivityParams } from "../activity-id.ts";
import { type Route, requireFound, requireUuid } from "../route.ts";
import { EXAMPLE_DEFINITION } from "./definition-routes.ts";

const PreviewQuery = Type.Object(
  {
    count: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_PREVIEWED,
        default: DEFAULT_PREVIEWED,
        description: "How many; fewer are answered where there are no more.",
        expected: `a whole number from 1 to ${MAX_PREVIEWED}`,
      }),
    ),
  },
  { additionalProperties: false },
);

const NextDueTimeView = Type.Object(
  {
    scheduled_for: Type.String({ format: "date-time", description: "The instant, in UTC." }),
    local: Type.String({ format: "date-time", description: "The same in the trigger's time zone, with its offset." }),
  },
  { title: "NextDueTime" },
);

export const previewRoutes = (types: TaskTypes): readonly Route[] => [
  {
    method: "GET",
    path: "/activity-definitions/:id/next",
    tag: "Schedules",
    scope: "definitions:read",
    summary: "List the next due times of a definition, as if it were enabled",
    params: ActivityParams,
    query: PreviewQuery,
    answers: { 200: Type.Array(NextDueTimeView) },
    async handle({ params, query, services }) {
      const { count = DEFAULT_PREVIEWED } = query as Static<typeof PreviewQuery>;
      const id = requireUuid(params, "id");
      const definition = requireFound(await services.definitions.find(id), `definition ${id}`);
      return { body: previewDueTimes(definition, new Date(), count) };
    },
  },
  {
    method: "POST",
    path: "/activity-definitions/preview",
    tag: "Schedules",
    scope: "definitions:read",
    summary: "Check a definition and list its next due times, without storing it",
    query: PreviewQuery,
    body: definitionInputSchema(types),
    example: EXAMPLE_DEFINITION,
    answers: { 200: Type.Array(NextDueTimeView) },
    async handle({ body, query, services }) {
      const { count = DEFAULT_PREVIEWED } = query as Static<typeof PreviewQuery>;
      const now = new Date();
      return { body: previewDueTimes(parseNewDefinition(body, now, { types, engines: services.engines }), now, count) };
    },
  },
];
