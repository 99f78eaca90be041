/** The template of a `log` task. */
import { type Static, Type } from "@sinclair/typebox";
import { taskFields } from "../template.ts";

const closed = { additionalProperties: false } as const;

export const LogTaskSchema = Type.Object(
  {
    ...taskFields,
    type: Type.Literal("log"),
    params: Type.Object(
      {
        message: Type.String({ maxLength: 10_000, description: "Written to actcore's own log." }),
        level: Type.Optional(
          Type.Union([Type.Literal("debug"), Type.Literal("info"), Type.Literal("warn"), Type.Literal("error")], {
            default: "info",
            expected: "debug, info, warn or error",
          }),
        ),
      },
      closed,
    ),
  },
  { ...closed, title: "LogTask" },
);

export type LogTemplate = Static<typeof LogTaskSchema>;
