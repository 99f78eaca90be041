/** The template of a task: what each has, whatever its type, and the params of its type. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { DurationSchema } from "../calendar/duration.ts";
import { oneOf } from "../json/schema-parts.ts";
import { LABEL, LABEL_CHARACTERS } from "../kernel/label.ts";
import type { TaskType } from "./task-type.ts";

const closed = { additionalProperties: false } as const;

/** Of a template whose type says nothing else. */
export const DEFAULT_TIMEOUT = "30s";
export const DEFAULT_MAX_ATTEMPTS = 5;

const retrySchema = (maxAttempts = DEFAULT_MAX_ATTEMPTS) =>
  Type.Object(
    {
      max_attempts: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1000,
          default: maxAttempts,
          description: "All tries, the first included.",
        }),
      ),
      initial_interval: Type.Optional(DurationSchema({ description: "Wait before the second try, 1s when absent." })),
      backoff_coefficient: Type.Optional(Type.Number({ minimum: 1, maximum: 100, default: 2 })),
      max_interval: Type.Optional(DurationSchema({ description: "Longest wait between tries, 5m when absent." })),
    },
    { ...closed, title: "Retry" },
  );

/** When the tasks of a template are done, by how the templates that it depends on ended. */
export const RUN_WHENS = ["all_succeeded", "any_failed", "all_done"] as const;
export type RunWhen = (typeof RUN_WHENS)[number];

const KEY = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

/** An expression in CEL, of which a schema says only that it is a text. */
export const ExpressionSchema = (description: string, examples: string[] = []) =>
  Type.String({ minLength: 1, maxLength: 10_000, description, examples, expected: "an expression in CEL, as a text" });

/** At most this many tasks of a run, or of a template, are done at once. */
export const MaxParallelSchema = (description: string) => Type.Integer({ minimum: 1, maximum: 1000, description });

const RunOnSchema = Type.String({
  pattern: LABEL,
  description:
    "Only a worker that has this label (ACTCORE_WORKER_LABELS) does the tasks: they wait until there is one.",
  examples: ["backup-host"],
  expected: `a label of ${LABEL_CHARACTERS}`,
});

/** What each template may have besides its type and params: which tasks it makes, and when they are done. */
const RULES = {
  when: Type.Optional(
    ExpressionSchema("No task is made where it is false; with `for_each`, it is asked for each item.", [
      "item.email != ''",
    ]),
  ),
  for_each: Type.Optional(
    ExpressionSchema("A list of at most 1,000 items: a task is made for each, which reads `item` and `index`.", [
      "context.account.contacts",
    ]),
  ),
  depends_on: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: KEY }), {
      maxItems: 100,
      description: "Keys of the templates whose tasks must be over before those of this one begin.",
      expected: "a list of keys of other task templates",
    }),
  ),
  run_when: Type.Optional(
    oneOf(RUN_WHENS, {
      default: "all_succeeded",
      description:
        "How the templates of depends_on must have ended. any_failed: at least one of them failed, or was skipped because one before it failed.",
      expected: `one of ${RUN_WHENS.join(", ")}`,
    }),
  ),
  allow_failure: Type.Optional(
    Type.Boolean({ default: false, description: "Whether the run may succeed although this template's tasks failed." }),
  ),
  max_parallel: Type.Optional(
    MaxParallelSchema("How many of this template's tasks are done at once; as many as the run does, when absent."),
  ),
  run_on: Type.Optional(RunOnSchema),
};

/** No worker does a task that a workflow does. */
const { run_on: _, ...withoutRunOn } = RULES;
const WORKFLOW_RULES = withoutRunOn as typeof RULES;

/** The schema of the templates of one type, which is called `name`. */
export function templateSchema<Name extends string, Params extends TObject>(
  name: Name,
  { title, params, defaults, workflow }: Pick<TaskType<Params>, "title" | "params" | "defaults" | "workflow">,
) {
  const { timeout = DEFAULT_TIMEOUT, max_attempts } = defaults ?? {};
  return Type.Object(
    {
      key: Type.String({
        minLength: 1,
        maxLength: 100,
        pattern: KEY,
        description: "Names the task within its definition; a part of its id.",
        expected: "1 to 100 letters, digits, '.', '_' or '-', unique within the definition",
      }),
      ...(workflow === undefined ? RULES : WORKFLOW_RULES),
      retry: Type.Optional(retrySchema(max_attempts)),
      timeout: Type.Optional(DurationSchema({ description: `Of one try, ${timeout} when absent.`, examples: ["30s"] })),
      type: Type.Literal(name),
      params,
    },
    { ...closed, title },
  );
}

export type TemplateOf<Name extends string, Params extends TObject> = Static<
  ReturnType<typeof templateSchema<Name, Params>>
>;
