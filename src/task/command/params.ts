/** What a command task takes. */
import { type Static, Type } from "@sinclair/typebox";

const ExitCodes = (description: string, options = {}) =>
  Type.Array(Type.Integer({ minimum: 0, maximum: 255 }), {
    minItems: 1,
    maxItems: 256,
    description,
    expected: "a list of exit codes, each from 0 to 255",
    ...options,
  });

export const CommandParamsSchema = Type.Object(
  {
    argv: Type.Optional(
      Type.Array(Type.String({ maxLength: 100_000, expected: "a text" }), {
        minItems: 1,
        maxItems: 1_000,
        description: "The program and its arguments; no shell reads them. The program is written, not computed.",
        examples: [["/opt/jobs/report", "--day", "{{ trigger.scheduled_for }}"]],
        expected: "a list of texts: the program and its arguments",
      }),
    ),
    shell: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100_000,
        description: "In place of argv: one line for /bin/sh -c, without expressions. Values reach it by env or stdin.",
        examples: ["pg_dump shop | gzip > /backup/shop.gz"],
      }),
    ),
    cwd: Type.Optional(
      Type.String({
        maxLength: 4_000,
        pattern: "^/",
        description:
          "The directory to run in. When absent, the home of the user that runs it, or / where there is none.",
        expected: "an absolute path",
      }),
    ),
    env: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: 100_000 }), {
        maxProperties: 200,
        description: "Variables besides those that every command gets. Values may be expressions and read secrets.",
        expected: "an object of texts",
      }),
    ),
    stdin: Type.Optional(
      Type.Unknown({
        description:
          "What it reads: a text as it is, anything else as JSON; null or false: nothing. When absent, the task's own input: {run, event}.",
      }),
    ),
    user: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z_][A-Za-z0-9_.-]{0,31}\\$?$",
        description: "The user that runs it, where the worker runs as root.",
        expected: "the name of a user",
      }),
    ),
    success_codes: Type.Optional(ExitCodes("Exit codes that mean success.", { default: [0] })),
    retry_codes: Type.Optional(
      ExitCodes("Exit codes after which it is tried again, as far as `retry` allows; every failure, when absent."),
    ),
    kill_after: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 300,
        default: 5,
        description: "Seconds from SIGTERM to SIGKILL where it is ended.",
        expected: "seconds, from 0 to 300",
      }),
    ),
  },
  { additionalProperties: false },
);

export type CommandParams = Static<typeof CommandParamsSchema>;
