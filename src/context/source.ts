/** A context source: what each has, whatever its type, and the fields of its type. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { DurationSchema } from "../calendar/duration.ts";
import type { Expression } from "../expression/expression.ts";
import { ExpressionSchema } from "../task/template.ts";
import type { SourceType } from "./source-type.ts";

export const DEFAULT_TIMEOUT_MS = 10_000;
/** A run is not decided before its context is there, and its sources are read side by side: so long it waits at most. */
export const MAX_TIMEOUT_MS = 300_000;
export const DEFAULT_RETRIES = 2;
const MAX_RETRIES = 10;
/** The largest answer of one source, in bytes, before `select` takes a part of it. */
export const MAX_ANSWER_BYTES = 1_048_576;

/** The schema of the sources of one type, which is called `name`. */
export function sourceSchema<Name extends string, Fields extends TObject>(
  name: Name,
  { title, fields }: Pick<SourceType<Fields>, "title" | "fields">,
) {
  return Type.Composite(
    [
      Type.Object({
        name: Type.String({
          minLength: 1,
          maxLength: 60,
          pattern: "^[A-Za-z][A-Za-z0-9_]*$",
          description: "Expressions read the source's value as context.NAME.",
          expected: "1 to 60 letters, digits or '_', a letter first, unique within the definition",
        }),
        type: Type.Literal(name),
        timeout: Type.Optional(
          DurationSchema({ description: "Of all its tries together, 10s when absent.", examples: ["10s"] }),
        ),
        retry: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: MAX_RETRIES,
            default: DEFAULT_RETRIES,
            description: "Tries after the first one, of what may succeed when it is tried again.",
            expected: `a whole number from 0 to ${MAX_RETRIES}`,
          }),
        ),
        optional: Type.Optional(
          Type.Boolean({
            default: false,
            description: "Whether the run goes on, with null as the value, where the source fails.",
          }),
        ),
        select: Type.Optional(
          ExpressionSchema("Over the answer: what it evaluates to is the source's value.", ["body.account"]),
        ),
      }),
      fields,
    ],
    { additionalProperties: false, title },
  );
}

export type SourceOf<Name extends string, Fields extends TObject> = Static<
  ReturnType<typeof sourceSchema<Name, Fields>>
>;

/** A source of a definition, compiled with the definition's version. */
export interface ContextSource {
  readonly name: string;
  readonly type: string;
  readonly timeoutMs: number;
  /** Tries after the first. */
  readonly retries: number;
  readonly optional: boolean;
  readonly select?: Expression;
  /** Whether the source's value is made of this part of the answer. */
  readonly wants: (part: string) => boolean;
  /** What the source's type compiled of its own fields. */
  readonly fields: unknown;
}
