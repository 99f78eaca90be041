/**
 * The schedule of a definition: its next due times, the schedule as Temporal has it, what became of past due times, and
 * running those that did not run.
 */
import { type Static, Type } from "@sinclair/typebox";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../../calendar/time.ts";
import { DueTimeView, describeDueTimes } from "../../explain/due-time-views.ts";
import { ScheduleView } from "../../explain/schedule-view.ts";
import { findFaults } from "../../json/faults.ts";
import { type Fault, InvalidInputError } from "../../kernel/errors.ts";
import { MAX_BACKFILL } from "../../occurrence/control.ts";
import { scheduleId } from "../../schedule/plan.ts";
import { DEFAULT_PREVIEWED, MAX_PREVIEWED, previewDueTimes } from "../../schedule/preview.ts";
import type { TaskTypes } from "../../task/task-type.ts";
import { ActivityParams } from "../ids.ts";
import { listRoute } from "../list-route.ts";
import { QueryTime, readTime } from "../query.ts";
import { type Route, requireFound, route } from "../route.ts";
import { newDefinition } from "./definition-routes.ts";

const DAY_MS = 86_400_000;
const EPOCH = new Date(0);
/** Milliseconds that a list of due times reaches into the future: nobody knows the clocks of later years. */
const AHEAD_MS = 100 * 366 * DAY_MS;

const BackfillBody = Type.Object(
  {
    from: TimeSchema("the first due time."),
    to: TimeSchema(`the last due time, not in the future; at most ${MAX_BACKFILL} due times.`),
    dry_run: Type.Optional(Type.Boolean({ default: false, description: "Only tell what would run." })),
  },
  { additionalProperties: false, title: "BackfillRequest" },
);

const BackfillAnswer = Type.Object(
  {
    dry_run: Type.Boolean(),
    due: Type.Integer({ description: "Due times of the range, by the definition as it is now." }),
    already_run: Type.Integer(),
    runs: Type.Array(
      Type.Object({
        scheduled_for: Type.String({ format: "date-time" }),
        run_id: Type.Optional(Type.String({ format: "uuid" })),
        workflow_id: Type.Optional(Type.String()),
      }),
    ),
  },
  { title: "Backfill" },
);

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

export const scheduleRoutes = (types: TaskTypes): readonly Route[] => [
  route({
    method: "GET",
    path: "/activity-definitions/:id/next",
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
  listRoute({
    path: "/activity-definitions/:id/occurrences",
    scope: "runs:read",
    summary: "List the due times of a range, oldest first: run, late or skipped, and why",
    params: ActivityParams,
    filters: {
      from: Type.Optional(QueryTime("the first due time, a day before `to` when absent.")),
      to: Type.Optional(QueryTime("the last due time, now when absent.")),
    },
    row: DueTimeView,
    cursor: { of: ({ scheduled_for }) => scheduled_for, read: (text) => readTime(text, "?cursor") },
    async read({ params: { id }, services }, range, { limit, after }) {
      const now = new Date();
      const last = range.to ?? now;
      const to = new Date(Math.max(0, Math.min(last.getTime(), now.getTime() + AHEAD_MS)));
      const start = range.from ?? new Date(to.getTime() - DAY_MS);
      const first = after === undefined ? start : new Date(after.getTime() + 1);
      const from = first < EPOCH ? EPOCH : first;
      const facts = requireFound(await services.dueTimes.readDueTimes(id, from, to, limit), `definition ${id}`);
      return describeDueTimes(facts, now, limit);
    },
  }),
  route({
    method: "GET",
    path: "/activity-definitions/:id/schedule",
    scope: "definitions:read",
    summary: "Read the schedule of a definition as Temporal has it",
    params: ActivityParams,
    answers: { 200: ScheduleView },
    async handle({ params, services }) {
      const { id } = params;
      requireFound(await services.definitions.find(id), `definition ${id}`);
      return { body: await services.schedules.readSchedule(scheduleId(id)) };
    },
  }),
  route({
    method: "POST",
    path: "/activity-definitions/:id/backfill",
    scope: "trigger",
    summary: "Run the due times of a range that did not run; one that ran never runs again",
    params: ActivityParams,
    body: {
      schema: BackfillBody,
      example: { from: "2026-01-31T06:00:00Z", to: "2026-01-31T09:00:00Z", dry_run: true },
      read: (json) => readBackfill(json, new Date()),
    },
    answers: { 200: BackfillAnswer, 202: BackfillAnswer },
    async handle({ params, body, services, actor }) {
      const backfill = await services.control.backfill({ activity_id: params.id, ...body, actor });
      return { status: body.dryRun ? 200 : 202, body: backfill };
    },
  }),
];

function readBackfill(body: unknown, now: Date): { from: Date; to: Date; dryRun: boolean } {
  const faults = findFaults(BackfillBody, body);
  if (faults.length > 0) throw invalid(faults);
  const { from, to, dry_run = false } = body as Static<typeof BackfillBody>;
  const range = { from: parseTime(from), to: parseTime(to) };
  for (const [name, time] of Object.entries(range))
    if (time === undefined) faults.push({ path: `/${name}`, message: `expected ${EXPECTED_TIME}` });
  if (range.from === undefined || range.to === undefined) throw invalid(faults);
  if (range.from < EPOCH) faults.push({ path: "/from", message: "is before 1970" });
  if (range.to > now) faults.push({ path: "/to", message: "is in the future" });
  if (range.from > range.to) faults.push({ path: "/from", message: "is later than `to`" });
  if (faults.length > 0) throw invalid(faults);
  return { from: range.from, to: range.to, dryRun: dry_run };
}

function invalid(faults: Fault[]): InvalidInputError {
  return new InvalidInputError("the backfill is not valid", faults, "invalid_backfill");
}
