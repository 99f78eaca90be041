/** What the template of every task has, whatever its type: a key, how long a try may take, how often it is tried. */
import { Type } from "@sinclair/typebox";
import { DurationSchema } from "../calendar/duration.ts";

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

export const taskFields = {
  key: Type.String({
    minLength: 1,
    maxLength: 100,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    description: "Names the task within its definition; a part of its id.",
    expected: "1 to 100 letters, digits, '.', '_' or '-', unique within the definition",
  }),
  retry: Type.Optional(RetrySchema),
  timeout: Type.Optional(DurationSchema({ description: "Of one try, 30s when absent.", examples: ["30s"] })),
};
