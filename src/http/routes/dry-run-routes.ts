/** Dry runs over REST: what a definition would do, of one that is stored or is not. */

import { Type } from "@sinclair/typebox";
import { compileActivity } from "../../definition/activity.ts";
import { type DefinitionBody, definitionInputSchema } from "../../definition/schema.ts";
import { parseDefinition } from "../../definition/validate.ts";
import { isFields } from "../../json/fields.ts";
import { InvalidInputError } from "../../kernel/errors.ts";
import type { Target } from "../../rehearsal/dry-run.ts";
import { DryRunReport } from "../../rehearsal/dry-run-report.ts";
import { type About, AboutSchema, parseAbout } from "../../rehearsal/dry-run-request.ts";
import { REHEARSED_ID } from "../../rehearsal/values.ts";
import { rulesOverRest, type TaskTypes } from "../../task/task-type.ts";
import { ActivityParams } from "../ids.ts";
import { type Input, type Route, requireFound, requireScope, route } from "../route.ts";

/** Milliseconds. Context sources that are asked have timeouts of their own, and are asked of several occasions. */
const ANSWER_WITHIN_MS = 120_000;

export function dryRunRoutes(types: TaskTypes): readonly Route[] {
  return [
    route({
      method: "POST",
      path: "/activity-definitions/dry-run",
      scope: "definitions:write",
      summary: "Tell what a definition would do that is not stored: nothing is done, and nothing is stored",
      body: {
        schema: Type.Composite([AboutSchema, Type.Object({ definition: definitionInputSchema(types) })], {
          additionalProperties: false,
          title: "DefinitionDryRunRequest",
        }),
        example: {
          definition: {
            name: "welcome",
            trigger_config: { trigger_type: "event", event_type: "user.created", filters: { tier: "pro" } },
            task_templates: [{ key: "note", type: "log", params: { message: "hello" } }],
          },
          event: { payload: { tier: "pro" } },
        },
        read(json, { services }) {
          const { definition, ...about } = isFields(json) ? json : {};
          const body = prefixFaults(() => parseDefinition(definition, rulesOverRest(services.rules)));
          return { body, about: parseAbout(isFields(json) ? about : json, body, new Date()) };
        },
      },
      answers: { 200: DryRunReport },
      answerWithinMs: ANSWER_WITHIN_MS,
      async handle({ body: { body, about }, services, may }) {
        return answer({ activity: compile(body), body, isStored: false }, about, services, may);
      },
    }),
    route({
      method: "POST",
      path: "/activity-definitions/:id/dry-run",
      scope: "trigger",
      summary: "Tell what a definition would do: nothing is done, and nothing is stored",
      params: ActivityParams,
      body: {
        schema: AboutSchema,
        example: { event: { payload: { tier: "pro" } }, context: "fetch" },
        read: (json) => json,
      },
      answers: { 200: DryRunReport },
      answerWithinMs: ANSWER_WITHIN_MS,
      async handle({ params: { id }, body: json, services, may }) {
        const body = requireFound(await services.definitions.find(id), `definition ${id}`);
        requireScope(may, "definitions:read", "it tells what the definition says");
        requireScope(may, "runs:read", "it tells what a run would look at");
        const { version, enabled, updated_at } = body;
        const activity = compileActivity({
          id,
          name: body.name,
          version,
          enabled,
          deleted: false,
          since: new Date(updated_at),
          body,
        });
        return answer({ activity, body, isStored: true }, parseAbout(json, body, new Date()), services, may);
      },
    }),
  ];
}

async function answer(target: Target, about: About, { dryRuns }: Input["services"], may: Input["may"]) {
  const { occasion } = about;
  if ("run_id" in occasion || "last_events" in occasion) requireScope(may, "runs:read", "it reads what was recorded");
  return { body: await dryRuns.dryRun(target, about, AbortSignal.timeout(ANSWER_WITHIN_MS)) };
}

/** Of a definition that has no id. */
function compile(body: DefinitionBody) {
  const { name, enabled } = body;
  return compileActivity({ id: REHEARSED_ID, name, version: 1, enabled, deleted: false, since: new Date(), body });
}

/** Faults of the definition, by their place in the body. */
function prefixFaults<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const faults = error.faults.map(({ path, message }) => ({
      path: `/definition${path === "/" ? "" : path}`,
      message,
    }));
    throw new InvalidInputError(error.message, faults, error.code);
  }
}
