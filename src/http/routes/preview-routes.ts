/** When definitions are due next: one that is stored, and one that is only tried out. */
import { Type } from "@sinclair/typebox";
import { DEFAULT_PREVIEWED, MAX_PREVIEWED, previewDueTimes } from "../../schedule/preview.ts";
import type { TaskTypes } from "../../task/task-type.ts";
import { ActivityParams } from "../ids.ts";
import { type Route, requireFound, route } from "../route.ts";
import { newDefinition } from "./definition-routes.ts";

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
  route({
    method: "GET",
    path: "/activity-definitions/:id/next",
    tag: "Schedules",
    scope: "definitions:read",
    summary: "List the next due times of a definition, as if it were enabled",
    params: ActivityParams,
    query: PreviewQuery,
    answers: { 200: Type.Array(NextDueTimeView) },
    async handle({ params, query, services }) {
      const { count = DEFAULT_PREVIEWED } = query;
      const { id } = params;
      const definition = requireFound(await services.definitions.find(id), `definition ${id}`);
      return { body: previewDueTimes(definition, new Date(), count) };
    },
  }),
  route({
    method: "POST",
    path: "/activity-definitions/preview",
    tag: "Schedules",
    scope: "definitions:read",
    summary: "Check a definition and list its next due times, without storing it",
    query: PreviewQuery,
    body: newDefinition(types),
    answers: { 200: Type.Array(NextDueTimeView) },
    async handle({ body, query }) {
      const { count = DEFAULT_PREVIEWED } = query;
      return { body: previewDueTimes(body, new Date(), count) };
    },
  }),
];
