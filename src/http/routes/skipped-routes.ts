/** What did not run, over all activities: one list to look at after an outage. */
import { Type } from "@sinclair/typebox";
import { SKIP_REASONS } from "../../calendar/misfire.ts";
import { SkippedDueTimeView, type SkippedPlace } from "../../explain/skipped-due-times.ts";
import { oneOf } from "../../json/schema-parts.ts";
import { isUuid } from "../../kernel/stable-id.ts";
import { ActivityId } from "../ids.ts";
import { invalidCursor, linkTo, listQuery, QueryTime, readTime } from "../query.ts";
import { type Route, route } from "../route.ts";

const DAY_MS = 86_400_000;
/** A run's own reason, besides those that a due time without a run may have. */
const DELETED = "deleted";

const OccurrenceQuery = listQuery({
  outcome: Type.Literal("skipped", {
    description: "What ran is in the list of runs; all due times of one activity are in its own list.",
  }),
  since: Type.Optional(QueryTime("the first due time, a day ago when absent.")),
  activity_id: Type.Optional(ActivityId),
  reason: Type.Optional(
    oneOf([...SKIP_REASONS, DELETED], { description: "`deleted`: the run began after its definition was deleted." }),
  ),
});

export const OCCURRENCE_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/occurrences",
    scope: "runs:read",
    summary:
      "List the due times that were skipped, of all activities, oldest first, and why; a page with a `Link` need not be full",
    query: OccurrenceQuery,
    answers: { 200: Type.Array(SkippedDueTimeView) },
    async handle({ query, services, url }) {
      const until = new Date();
      const { limit = 100, cursor, since = new Date(until.getTime() - DAY_MS), activity_id, reason } = query;
      const { rows, next } = await services.skippedDueTimes.listSkipped({
        since,
        until,
        limit,
        ...(cursor !== undefined && { after: readPlace(cursor) }),
        ...(activity_id !== undefined && { activity_id }),
        ...(reason !== undefined && { reason }),
      });
      return { body: rows, headers: next === undefined ? {} : linkTo(url, formatPlace(next)) };
    },
  }),
];

function formatPlace({ at, activity_id }: SkippedPlace): string {
  return `${at.toISOString()}_${activity_id}`;
}

/** @throws InvalidInputError for a cursor that we did not make */
function readPlace(cursor: string): SkippedPlace {
  const [time = "", activity_id = ""] = cursor.split("_");
  if (isUuid(activity_id)) return { at: readTime(time, "?cursor"), activity_id };
  throw invalidCursor();
}
