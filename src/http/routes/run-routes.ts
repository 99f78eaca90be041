/** Runs over REST: starting, repeating, cancelling and reading them. */
import { type Static, Type } from "@sinclair/typebox";
import { RunSummary, RunView } from "../../explain/run-view.ts";
import { findFaults } from "../../json/faults.ts";
import { oneOf } from "../../json/schema-parts.ts";
import { InvalidInputError } from "../../kernel/errors.ts";
import { RERUN_VERSIONS, type RerunRequest } from "../../occurrence/control.ts";
import { RERUN_FROM } from "../../run/decision.ts";
import { ActivityId, ActivityParams, Uuid } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import { Since } from "../query.ts";
import { type Route, requireFound, route } from "../route.ts";

const MAX_KEY_LENGTH = 200;
const Accepted = Type.Object(
  { run_id: Type.String({ format: "uuid" }), workflow_id: Type.String() },
  { title: "AcceptedRun" },
);
const TriggerBody = Type.Object(
  { payload: Type.Optional(Type.Unknown({ description: "What the tasks get as the event's payload." })) },
  { additionalProperties: false, title: "Trigger" },
);
const RerunBody = Type.Object(
  {
    from: Type.Optional(
      oneOf(RERUN_FROM, {
        default: "start",
        description: "`failed`: tasks that succeeded are taken over with their results, and the others are done again.",
        expected: `one of ${RERUN_FROM.join(", ")}`,
      }),
    ),
    version: Type.Optional(
      oneOf(RERUN_VERSIONS, {
        default: "latest",
        description: "Of the definition: the one that the old run used, or the newest.",
        expected: `one of ${RERUN_VERSIONS.join(", ")}`,
      }),
    ),
  },
  { additionalProperties: false, title: "Rerun" },
);

export const RUN_ROUTES: readonly Route[] = [
  route({
    method: "POST",
    path: "/activity-definitions/:id/trigger",
    scope: "trigger",
    summary: "Run an activity now; the same Idempotency-Key is the same run",
    params: ActivityParams,
    body: { schema: TriggerBody, example: { payload: { tier: "pro" } }, optional: true, read: readTrigger },
    answers: { 202: Accepted },
    async handle({ params, body, services, actor }) {
      return accepted(await services.control.trigger({ activity_id: params.id, ...body, actor }));
    },
  }),
  route({
    method: "POST",
    path: "/runs/:run_id/rerun",
    scope: "trigger",
    summary: "Run again with the same input; from `failed`, only what did not succeed",
    params: Type.Object({ run_id: Uuid }),
    body: { schema: RerunBody, example: { from: "failed", version: "latest" }, optional: true, read: readRerun },
    answers: { 202: Accepted },
    async handle({ params, body, services, actor }) {
      return accepted(await services.control.rerun({ ...params, ...body, actor }));
    },
  }),
  route({
    method: "POST",
    path: "/runs/:run_id/cancel",
    scope: "trigger",
    summary: "Ask a running run to end",
    params: Type.Object({ run_id: Uuid }),
    answers: { 202: Type.Object({ run_id: Type.String({ format: "uuid" }) }) },
    async handle({ params, services, actor }) {
      const { run_id } = params;
      await services.control.cancel({ run_id, actor });
      return { status: 202, body: { run_id }, headers: { location: `/runs/${run_id}` } };
    },
  }),
  listRoute({
    path: "/runs",
    scope: "runs:read",
    summary: "List runs, newest first",
    filters: {
      activity_id: Type.Optional(ActivityId),
      status: Type.Optional(RunSummary.properties.status),
      trigger: Type.Optional(RunSummary.properties.trigger),
      since: Type.Optional(Since),
    },
    row: RunSummary,
    cursor: byId("run_id"),
    read: ({ services }, filter, page) => services.ledger.listRuns(filter, page),
  }),
  route({
    method: "GET",
    path: "/runs/:run_id",
    scope: "runs:read",
    summary: "Read a run: its context, what it decided of each template and why, and its tasks",
    params: Type.Object({ run_id: Uuid }),
    answers: { 200: RunView },
    async handle({ params, services }) {
      const id = params.run_id;
      return { body: requireFound(await services.ledger.findRun(id), `run ${id}`) };
    },
  }),
];

function accepted(body: { run_id: string; workflow_id: string }) {
  return { status: 202, body, headers: { location: `/runs/${body.run_id}` } };
}

/** The payload, and the key by which a repeated request is known. */
function readTrigger(json: unknown = {}, { headers }: { headers: Headers }): { payload: unknown; requestKey?: string } {
  const faults = findFaults(TriggerBody, json);
  const requestKey = headers.get("idempotency-key");
  if (requestKey !== null && (requestKey === "" || requestKey.length > MAX_KEY_LENGTH))
    faults.push({ path: "Idempotency-Key", message: `expected 1 to ${MAX_KEY_LENGTH} characters` });
  if (faults.length > 0) throw new InvalidInputError("the trigger is not valid", faults, "invalid_trigger");
  const { payload = {} } = json as Static<typeof TriggerBody>;
  return { payload, ...(requestKey !== null && { requestKey }) };
}

function readRerun(json: unknown = {}): Pick<RerunRequest, "from" | "version"> {
  const faults = findFaults(RerunBody, json);
  if (faults.length > 0) throw new InvalidInputError("the rerun is not valid", faults, "invalid_rerun");
  return { from: "start", version: "latest", ...(json as Static<typeof RerunBody>) };
}
