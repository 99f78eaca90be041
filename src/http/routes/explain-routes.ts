/** Why something happened, or did not: of an event, of a due time, and of types that nothing waited for. */
import { Type } from "@sinclair/typebox";
import { DueTimeExplanation } from "../../explain/due-time-explanation.ts";
import { EventExplanation } from "../../explain/event-explanation.ts";
import { explainDueTime } from "../../explain/explain-due-time.ts";
import { explainEvent } from "../../explain/explain-event.ts";
import { describeUnmatched, UnmatchedTypes } from "../../explain/unmatched-types.ts";
import { ActivityId } from "../ids.ts";
import { invalidQuery, QueryTime } from "../query.ts";
import { type Input, type Route, requireFound, requireScope, route } from "../route.ts";

const DAY_MS = 86_400_000;
/** Milliseconds that a due time may lie in the future: nobody knows the clocks of later years. */
const AHEAD_MS = 100 * 366 * DAY_MS;
const MAX_UNMATCHED = 500;

const ExplainQuery = Type.Object(
  {
    event_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        pattern: "^[^\\u0000]*$",
        description: "What came of this event; with `activity_id`, for that activity.",
        expected: "the id of an event, 1 to 200 characters",
      }),
    ),
    activity_id: Type.Optional(ActivityId),
    at: Type.Optional(
      QueryTime("without `event_id`: what became of what was due then, or around then; now when absent."),
    ),
  },
  { additionalProperties: false },
);

const UnmatchedQuery = Type.Object(
  {
    since: Type.Optional(QueryTime("events recorded since then, a day ago when absent.")),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_UNMATCHED,
        default: 100,
        expected: `a whole number from 1 to ${MAX_UNMATCHED}`,
      }),
    ),
  },
  { additionalProperties: false },
);

export const EXPLAIN_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/explain",
    scope: "runs:read",
    summary:
      "Tell in one sentence, and with its facts, what came of an event or a due time, and why; needs definitions:read too",
    query: ExplainQuery,
    answers: { 200: Type.Union([EventExplanation, DueTimeExplanation]) },
    async handle({ query: { event_id, activity_id, at }, services, may }) {
      requireDefinitions(may);
      const { explanations, retention } = services;
      const now = new Date();
      if (event_id !== undefined) {
        if (at !== undefined) throw refused("?at", "is of due times: leave it out beside event_id");
        const facts = requireFound(await explanations.readEvent(event_id, activity_id), `definition ${activity_id}`);
        return { body: explainEvent(facts, now, retention) };
      }
      if (activity_id === undefined)
        throw refused("?event_id", "is required: name an event, or an activity with a time");
      const time = readDue(at ?? now, now);
      const facts = requireFound(await explanations.readDueTime(activity_id, time, now), `definition ${activity_id}`);
      return { body: explainDueTime(facts, now, retention.runRetentionMs) };
    },
  }),
  route({
    method: "GET",
    path: "/unmatched-event-types",
    scope: "runs:read",
    summary:
      "Count recorded events by types that no activity waited for, with the nearest type that one waits for; needs definitions:read too",
    query: UnmatchedQuery,
    answers: { 200: UnmatchedTypes },
    async handle({ query: { since = new Date(Date.now() - DAY_MS), limit = 100 }, services, may }) {
      requireDefinitions(may);
      return { body: await describeUnmatched(services.unmatched, since, limit) };
    },
  }),
];

function requireDefinitions(may: Input["may"]): void {
  requireScope(may, "definitions:read", "it tells what definitions wait for");
}

function readDue(at: Date, now: Date): Date {
  if (at.getTime() < 0 || at.getTime() > now.getTime() + AHEAD_MS)
    throw refused("?at", "expected a time from 1970 on, at most 100 years ahead");
  return at;
}

function refused(path: string, message: string) {
  return invalidQuery([{ path, message }]);
}
