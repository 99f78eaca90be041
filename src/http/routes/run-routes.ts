/** What is done to runs over REST; they are read in ledger-routes.ts. */
import { Type } from "@sinclair/typebox";
import { findFaults } from "../../json/faults.ts";
import { InvalidInputError } from "../../kernel/errors.ts";
import { ActivityParams } from "../activity-id.ts";
import { type Route, requireUuid } from "../route.ts";

const MAX_KEY_LENGTH = 200;
const Accepted = Type.Object(
  { run_id: Type.String({ format: "uuid" }), workflow_id: Type.String() },
  { title: "AcceptedRun" },
);
const TriggerBody = Type.Object(
  { payload: Type.Optional(Type.Unknown({ description: "What the tasks get as the event's payload." })) },
  { additionalProperties: false, title: "Trigger" },
);

export const RUN_ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: "/activity-definitions/:id/trigger",
    tag: "Runs",
    scope: "trigger",
    summary: "Run an activity now; the same Idempotency-Key is the same run",
    params: ActivityParams,
    body: TriggerBody,
    example: { payload: { tier: "pro" } },
    bodyOptional: true,
    answers: { 202: Accepted },
    async handle({ params, body = {}, headers, services, actor }) {
      const activity_id = requireUuid(params, "id");
      const faults = findFaults(TriggerBody, body);
      const requestKey = headers.get("idempotency-key");
      if (requestKey !== null && (requestKey === "" || requestKey.length > MAX_KEY_LENGTH))
        faults.push({ path: "Idempotency-Key", message: `expected 1 to ${MAX_KEY_LENGTH} characters` });
      if (faults.length > 0) throw new InvalidInputError("the trigger is not valid", faults, "invalid_trigger");
      const { payload = {} } = body as { payload?: unknown };
      return accepted(
        await services.control.trigger({ activity_id, payload, actor, ...(requestKey !== null && { requestKey }) }),
      );
    },
  },
  {
    method: "POST",
    path: "/runs/:run_id/rerun",
    tag: "Runs",
    scope: "trigger",
    summary: "Run again with the same input and the definition's current version",
    params: Type.Object({ run_id: Type.String({ format: "uuid" }) }),
    answers: { 202: Accepted },
    async handle({ params, services, actor }) {
      return accepted(await services.control.rerun({ run_id: requireUuid(params, "run_id"), actor }));
    },
  },
  {
    method: "POST",
    path: "/runs/:run_id/cancel",
    tag: "Runs",
    scope: "trigger",
    summary: "Ask a running run to end",
    params: Type.Object({ run_id: Type.String({ format: "uuid" }) }),
    answers: { 202: Type.Object({ run_id: Type.String({ format: "uuid" }) }) },
    async handle({ params, services, actor }) {
      const run_id = requireUuid(params, "run_id");
      await services.control.cancel({ run_id, actor });
      return { status: 202, body: { run_id }, headers: { location: `/runs/${run_id}` } };
    },
  },
];

function accepted(body: { run_id: string; workflow_id: string }) {
  return { status: 202, body, headers: { location: `/runs/${body.run_id}` } };
}
