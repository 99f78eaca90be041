/** The schedule of a definition: as Temporal has it, what became of its due times, and running those that did not run. */
import { type Static, Type } from "@sinclair/typebox";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../../calendar/time.ts";
import { DueTimeView, describeDueTimes } from "../../explain/due-time-views.ts";
import { ScheduleView } from "../../explain/schedule-view.ts";
import { findFaults } from "../../json/faults.ts";
import { type Fault, InvalidInputError } from "../../kernel/errors.ts";
import { MAX_BACKFILL } from "../../occurrence/control.ts";
import { scheduleId } from "../../schedule/plan.ts";
import { ActivityParams } from "../activity-id.ts";
import { linkNext, listQuery, QueryTime, readTime } from "../query.ts";
import { type Route, requireFound, requireUuid } from "../route.ts";

const DAY_MS = 86_400_000;
const EPOCH = new Date(0);
/** Due times that are farther ahead nobody asks for, and clocks are not known for. */
const AHEAD_MS = 100 * 366 * DAY_MS;

const DueQuery = listQuery({
  from: Type.Optional(QueryTime("the first due time, a day before `to` when absent.")),
  to: Type.Optional(QueryTime("the last due time, now when absent.")),
});

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

export const SCHEDULE_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/activity-definitions/:id/occurrences",
    tag: "Schedules",
    scope: "runs:read",
    summary: "List the due times of a range, oldest first: run, late or skipped, and why",
    params: ActivityParams,
    query: DueQuery,
    answers: { 200: Type.Array(DueTimeView) },
    async handle({ params, query, services, url }) {
      const id = requireUuid(params, "id");
      const { limit = 100, cursor, ...range } = query as Static<typeof DueQuery>;
      const now = new Date();
      const last = range.to === undefined ? now : readTime(range.to, "?to");
      const to = new Date(Math.max(0, Math.min(last.getTime(), now.getTime() + AHEAD_MS)));
      const start = range.from === undefined ? new Date(to.getTime() - DAY_MS) : readTime(range.from, "?from");
      const first = cursor === undefined ? start : new Date(readTime(cursor, "?cursor").getTime() + 1);
      const from = first < EPOCH ? EPOCH : first;
      const facts = requireFound(await services.dueTimes.readDueTimes(id, from, to, limit), `definition ${id}`);
      const rows = describeDueTimes(facts, now, limit);
      return { body: rows, headers: linkNext(url, rows.length, limit, rows.at(-1)?.scheduled_for) };
    },
  },
  {
    method: "GET",
    path: "/activity-definitions/:id/schedule",
    tag: "Schedules",
    scope: "definitions:read",
    summary: "Read the schedule of a definition as Temporal has it",
    params: ActivityParams,
    answers: { 200: ScheduleView },
    async handle({ params, services }) {
      const id = requireUuid(params, "id");
      requireFound(await services.definitions.find(id), `definition ${id}`);
      return { body: await services.schedules.readSchedule(scheduleId(id)) };
    },
  },
  {
    method: "POST",
    path: "/activity-definitions/:id/backfill",
    tag: "Schedules",
    scope: "trigger",
    summary: "Run the due times of a range that did not run; one that ran never runs again",
    params: ActivityParams,
    body: BackfillBody,
    example: { from: "2026-01-31T06:00:00Z", to: "2026-01-31T09:00:00Z", dry_run: true },
    answers: { 200: BackfillAnswer, 202: BackfillAnswer },
    async handle({ params, body, services, actor }) {
      const activity_id = requireUuid(params, "id");
      const { from, to, dryRun } = readBackfill(body, new Date());
      const backfill = await services.control.backfill({ activity_id, from, to, dryRun, actor });
      return { status: dryRun ? 200 : 202, body: backfill };
    },
  },
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
