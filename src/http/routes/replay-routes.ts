/** Recorded events that are run again over REST: one event, or those of a range that an activity never ran for. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../../calendar/time.ts";
import { findFaults } from "../../json/faults.ts";
import { Nullable, oneOf } from "../../json/schema-parts.ts";
import { type Fault, InvalidInputError } from "../../kernel/errors.ts";
import { type ActivityReplayRequest, MAX_REPLAY } from "../../replay/activity-replay.ts";
import { REPLAY_OUTCOMES } from "../../replay/event-replay.ts";
import { ActivityId, ActivityParams, isStorable, resolveIds } from "../ids.ts";
import { type Route, requireFound, route } from "../route.ts";

/** Milliseconds. A replay looks at the past for some seconds, and may start a thousand runs. */
const ANSWER_WITHIN_MS = 60_000;

const RunId = Nullable(Type.String({ format: "uuid" }));
const WorkflowId = Nullable(Type.String());
const EventReplayBody = Type.Object(
  {
    activity_id: Type.Optional(ActivityId),
    only_missing: Type.Optional(
      Type.Boolean({ default: false, description: "Only activities that never ran for the event." }),
    ),
  },
  { additionalProperties: false, title: "EventReplayRequest" },
);
const EventReplayAnswer = Type.Object(
  {
    event_id: Type.String(),
    activities: Type.Array(
      Type.Object({
        activity_id: Type.String({ format: "uuid" }),
        activity_name: Type.String(),
        outcome: oneOf(REPLAY_OUTCOMES, {
          description:
            "`run`: it runs again. `queued`: it does when the gates of its flow let it. `ran_before`: it ran before, and only missing ones were asked for. The others as the " +
            "definition matches now.",
        }),
        reason: Nullable(Type.String()),
        run_id: RunId,
        workflow_id: WorkflowId,
        rerun_of: Nullable(
          Type.String({ format: "uuid", description: "The run that the activity made of the event before." }),
        ),
      }),
      { description: "One for each activity that waits for the event's type now." },
    ),
  },
  { title: "EventReplay" },
);
const ActivityReplayBody = Type.Object(
  {
    from: TimeSchema("events recorded since then."),
    to: TimeSchema("events recorded until then, not in the future."),
    dry_run: Type.Optional(Type.Boolean({ default: false, description: "Only tell what would run." })),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_REPLAY,
        default: MAX_REPLAY,
        description: "How many runs are made at most.",
        expected: `a whole number from 1 to ${MAX_REPLAY}`,
      }),
    ),
    after: Type.Optional(
      Type.String({ format: "uuid", description: "`next` of the call before.", expected: "the `next` of an answer" }),
    ),
  },
  { additionalProperties: false, title: "ActivityReplayRequest" },
);
const ActivityReplayAnswer = Type.Object(
  {
    dry_run: Type.Boolean(),
    looked_at: Type.Integer({ description: "Events of the types that the activity waits for." }),
    ran_before: Type.Integer({
      description: "Those that it ran for, also in a window or as a replay, or that were duplicates.",
    }),
    not_matched: Type.Integer({ description: "Those that do not pass its trigger as it is now." }),
    runs: Type.Array(
      Type.Object({
        event_id: Type.String(),
        received_at: Type.String({ format: "date-time" }),
        run_id: RunId,
        workflow_id: WorkflowId,
      }),
      { description: "In the order in which the events were recorded; without ids in a dry run." },
    ),
    next: Nullable(Type.String({ description: "`after` of a next call; null where the whole range was looked at." })),
  },
  { title: "ActivityReplay" },
);

export const REPLAY_ROUTES: readonly Route[] = [
  route({
    method: "POST",
    path: "/events/:event_id/replay",
    scope: "trigger",
    summary: "Run a recorded event again, for one activity or for all that it reaches now",
    answerWithinMs: ANSWER_WITHIN_MS,
    params: Type.Object({ event_id: Type.String() }),
    body: {
      schema: EventReplayBody,
      example: { activity_id: "name:welcome", only_missing: true },
      optional: true,
      read: (json = {}) => read(EventReplayBody, json),
    },
    answers: { 202: EventReplayAnswer },
    async handle({ params: { event_id: id }, body: { only_missing = false, ...body }, services, actor }) {
      const event_id = requireFound(isStorable(id) ? id : undefined, `event ${JSON.stringify(id.slice(0, 200))}`);
      const { activity_id } = await resolveIds(EventReplayBody, body, () => services.definitions);
      const asked = { event_id, activity_id: activity_id as string | undefined, onlyMissing: only_missing, actor };
      return { status: 202, body: await services.replays.event(asked) };
    },
  }),
  route({
    method: "POST",
    path: "/activity-definitions/:id/replay",
    scope: "trigger",
    summary: "Run the recorded events of a range that match an activity now and that it never ran for",
    answerWithinMs: ANSWER_WITHIN_MS,
    params: ActivityParams,
    body: {
      schema: ActivityReplayBody,
      example: { from: "2026-01-31T06:00:00Z", to: "2026-01-31T09:00:00Z", dry_run: true },
      read: (json) => readActivityReplay(json, new Date()),
    },
    answers: { 200: ActivityReplayAnswer, 202: ActivityReplayAnswer },
    async handle({ params, body, services, actor }) {
      const replay = await services.replays.activity({ activity_id: params.id, ...body, actor });
      return { status: body.dryRun ? 200 : 202, body: replay };
    },
  }),
];

function readActivityReplay(json: unknown, now: Date): Omit<ActivityReplayRequest, "activity_id" | "actor"> {
  const { dry_run: dryRun = false, limit = MAX_REPLAY, after, ...range } = read(ActivityReplayBody, json);
  const [from, to] = [parseTime(range.from), parseTime(range.to)];
  const faults: Fault[] = [];
  if (from === undefined) faults.push({ path: "/from", message: `expected ${EXPECTED_TIME}` });
  if (to === undefined) faults.push({ path: "/to", message: `expected ${EXPECTED_TIME}` });
  if (to && to > now) faults.push({ path: "/to", message: "is in the future" });
  if (from && to && from > to) faults.push({ path: "/from", message: "is later than `to`" });
  if (from === undefined || to === undefined || faults.length > 0) throw invalid(faults);
  return { from, to, dryRun, limit, after };
}

function read<T extends TObject>(schema: T, json: unknown): Static<T> {
  const faults = findFaults(schema, json);
  if (faults.length > 0) throw invalid(faults);
  return json as Static<T>;
}

function invalid(faults: Fault[]): InvalidInputError {
  return new InvalidInputError("the replay is not valid", faults, "invalid_replay");
}
