/** What a `human` task takes: what a person is asked, whom, and by when. */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema } from "../../calendar/duration.ts";
import { oneOf } from "../../json/schema-parts.ts";

/** Somebody's name, or a group's, as the user's own system knows it: actcore has no list of people. */
export const PersonSchema = (description: string) =>
  Type.String({
    minLength: 1,
    maxLength: 200,
    pattern: "^[^\\u0000-\\u001f\\u007f]*$",
    description,
    expected: "a name of 1 to 200 characters",
  });

const TextSchema = (description: string, maxLength: number) =>
  Type.String({
    minLength: 1,
    maxLength,
    pattern: "^[^\\u0000]*$",
    description,
    expected: `a text of 1 to ${maxLength} characters`,
  });

export const HumanParamsSchema = Type.Object(
  {
    title: TextSchema("What is to be done, in a line.", 500),
    description: Type.Optional(TextSchema("What the person has to know.", 20_000)),
    form: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "JSON Schema (draft 2020-12) of the answer; any JSON is an answer when absent.",
        expected: "a JSON Schema, as an object",
      }),
    ),
    assignee: Type.Optional(PersonSchema("Who is to do it: nobody else may.")),
    group: Type.Optional(PersonSchema("Whose members may do it: whoever claims it.")),
    due_in: Type.Optional(DurationSchema({ description: "When it is due, from the moment at which it is asked." })),
    remind_every: Type.Optional(
      DurationSchema({ description: "How often the event actcore.task.waiting is repeated." }),
    ),
    escalate_to: Type.Optional(
      Type.Object(
        {
          assignee: Type.Optional(PersonSchema("Whose task it becomes.")),
          group: Type.Optional(PersonSchema("The group whose task it becomes.")),
        },
        { additionalProperties: false, minProperties: 1, description: "Whose task it becomes when it is due." },
      ),
    ),
    expire_in: Type.Optional(
      DurationSchema({ description: "When nobody may do it any more: then it fails. It waits for ever when absent." }),
    ),
    on_expiry: Type.Optional(
      oneOf(["fail", "reject"], {
        default: "fail",
        description: "What it counts as when it expires: failed, or rejected. It never counts as done.",
        expected: "fail or reject",
      }),
    ),
  },
  { additionalProperties: false },
);

export type HumanParams = Static<typeof HumanParamsSchema>;
