/** The template of a task: what each has, whatever its type, and the params of its type. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { DurationSchema } from "../calendar/duration.ts";
import type { TaskType } from "./task-type.ts";

const closed = { additionalProperties: false } as const;

const RetrySchema = Type.Object(
  {
    max_attempts: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 5, description: "All tries, the first included." }),
    ),
    initial_interval: Type.Optional(DurationSchema({ description: "Wait before the second try, 1s when absent." })),
    backoff_coefficient: Type.Optional(Type.Number({ minimum: 1, maximum: 100, default: 2 })),
    max_interval: Type.Optional(DurationSchema({ description: "Longest wait between tries, 5m when absent." })),
  },
  { ...closed, title: "Retry" },
);

/** The schema of the templates of one type, which is called `name`. */
export function templateSchema<Name extends string, Params extends TObject>(
  name: Name,
  { title, params }: TaskType<Params>,
) {
  return Type.Object(
    {
      key: Type.String({
        minLength: 1,
        maxLength: 100,
        pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description: "Names the task within its definition; a part of its id.",
        expected: "1 to 100 letters, digits, '.', '_' or '-', unique within the definition",
      }),
      retry: Type.Optional(RetrySchema),
      timeout: Type.Optional(DurationSchema({ description: "Of one try, 30s when absent.", examples: ["30s"] })),
      type: Type.Literal(name),
      params,
    },
    { ...closed, title },
  );
}

export type TemplateOf<Name extends string, Params extends TObject> = Static<
  ReturnType<typeof templateSchema<Name, Params>>
>;
