/** What people do with their tasks over REST. Each request names the version that it is about: of two at once one wins. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { TaskView } from "../../explain/task-view.ts";
import { findFaults } from "../../json/faults.ts";
import { Nullable } from "../../json/schema-parts.ts";
import { InvalidInputError, TerminalError } from "../../kernel/errors.ts";
import { HUMAN_ACTIONS, type HumanAction, type HumanRequest } from "../../task/human/human-state.ts";
import { PersonSchema } from "../../task/human/params.ts";
import { Uuid } from "../ids.ts";
import { type Route, requireFound, route } from "../route.ts";
import { expectedVersion, withTag } from "../version.ts";

const as = Type.Optional(PersonSchema("Who acts; the name of the API key when absent."));
const comment = Type.Optional(
  Type.String({ maxLength: 10_000, pattern: "^[^\\u0000]*$", expected: "a text of at most 10,000 characters" }),
);
const closed = { additionalProperties: false } as const;

const BODIES = {
  claim: Type.Object({ as }, { ...closed, title: "Claim" }),
  release: Type.Object({ as }, { ...closed, title: "Release" }),
  complete: Type.Object(
    { as, answer: Type.Optional(Type.Unknown({ description: "What the form asks for; {} when absent." })), comment },
    { ...closed, title: "Completion" },
  ),
  reject: Type.Object({ as, comment }, { ...closed, title: "Rejection" }),
  reassign: Type.Object(
    {
      as,
      assignee: Type.Optional(Nullable(PersonSchema("Whose task it becomes; null: nobody's."))),
      group: Type.Optional(Nullable(PersonSchema("The group whose task it becomes; null: no group's."))),
    },
    { ...closed, title: "Reassignment" },
  ),
} satisfies Record<HumanAction, TObject>;

const EXAMPLES: Record<HumanAction, object> = {
  claim: { as: "ada" },
  release: { as: "ada" },
  complete: { as: "ada", answer: { approved: true } },
  reject: { as: "ada", comment: "too expensive" },
  reassign: { assignee: "bob" },
};

const SUMMARIES: Record<HumanAction, string> = {
  claim: "Take a task that waits for a person, so that nobody else does it",
  release: "Give a claimed task back",
  complete: "Answer what a task asks; its run goes on with the answer",
  reject: "Refuse what a task asks; the task fails with human_rejected",
  reassign: "Make a task somebody else's, or another group's",
};

export const humanRoutes: readonly Route[] = HUMAN_ACTIONS.map((action) =>
  route({
    method: "POST",
    path: `/tasks/:task_id/${action}`,
    scope: "tasks:complete",
    summary: `${SUMMARIES[action]}. If-Match names the version of the task that was seen`,
    params: Type.Object({ task_id: Uuid }),
    body: {
      schema: BODIES[action],
      example: EXAMPLES[action],
      optional: true,
      read: (json = {}) => readBody(action, json),
    },
    answers: { 200: TaskView },
    async handle({ params, body, headers, actor, services }) {
      const { task_id } = params;
      const { expectedVersion: version } = expectedVersion(headers);
      if (version === undefined)
        throw new TerminalError(
          "version_required",
          "If-Match is missing: it names the version of the task that was seen",
          {
            hint: `GET /tasks/${task_id} answers it as ETag and as human.version`,
          },
        );
      const { as: by = actor.replace(/^key:/, ""), ...rest } = body;
      await services.humans.request({ task_id, version, actor, request: { action, by, ...rest } as HumanRequest });
      const task = requireFound(await services.ledger.findTask(task_id), `task ${task_id}`);
      return withTag(task, {}, task.human?.version);
    },
  }),
);

type HumanBody = { as?: string } & Partial<Static<(typeof BODIES)["complete"]> & Static<(typeof BODIES)["reassign"]>>;

function readBody(action: HumanAction, json: unknown): HumanBody {
  const faults = findFaults(BODIES[action], json);
  if (faults.length > 0) throw new InvalidInputError("the request is not valid", faults, "invalid_request");
  const body = json as HumanBody;
  return action === "complete" ? { answer: {}, ...body } : body;
}
