/** What waits over REST. */
import { Type } from "@sinclair/typebox";
import { WaitingView } from "../../explain/waiting-view.ts";
import { ActivityId } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import type { Route } from "../route.ts";

export const WAITING_ROUTES: readonly Route[] = [
  listRoute({
    path: "/waiting",
    scope: "runs:read",
    summary:
      "List the runs that wait for others and the windows that gather events, oldest first, with what they wait for",
    filters: { activity_id: Type.Optional(ActivityId) },
    row: WaitingView,
    cursor: byId("id"),
    read: ({ services }, filter, page) => services.waiting.listWaiting(filter, page),
  }),
];
