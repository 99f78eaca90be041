/** What a `workflow` task takes: the workflow that it starts, and what with. */
import { type Static, Type } from "@sinclair/typebox";

/** The engine takes names of up to 1,000 bytes. */
const NAME = { minLength: 1, maxLength: 200, pattern: "^[^\\u0000-\\u001f\\u007f]*$" };

export const WorkflowParamsSchema = Type.Object(
  {
    workflow: Type.String({
      ...NAME,
      description: "The workflow type, as its worker registers it.",
      examples: ["RenderReport"],
      expected: "the name of a workflow type, of 1 to 200 characters",
    }),
    task_queue: Type.String({
      ...NAME,
      description: "The Temporal task queue that the workers of the workflow poll.",
      examples: ["reports"],
      expected: "the name of a task queue, of 1 to 200 characters",
    }),
    args: Type.Optional(
      Type.Array(Type.Unknown(), {
        maxItems: 50,
        description:
          "Its arguments, as JSON. When absent, one: the task's own input, {run, event}. They stand in the engine's history, so they read no secrets.",
        expected: "a list of at most 50 arguments",
      }),
    ),
    wait: Type.Optional(
      Type.Boolean({
        default: true,
        description: "Whether the task is over when the workflow is; otherwise it is when the workflow is started.",
      }),
    ),
    workflow_id: Type.Optional(
      Type.String({
        ...NAME,
        description: "The workflow's id; `call-` and the task's idempotency_key when absent.",
        examples: ["report-{{ event.payload.customer }}"],
        expected: "a workflow id of 1 to 200 characters",
      }),
    ),
  },
  { additionalProperties: false },
);

export type WorkflowParams = Static<typeof WorkflowParamsSchema>;

/** The id of the workflow that a task starts: the same at every try. */
export function calledWorkflowId(params: Pick<WorkflowParams, "workflow_id">, idempotencyKey: string): string {
  return params.workflow_id ?? `call-${idempotencyKey}`;
}
