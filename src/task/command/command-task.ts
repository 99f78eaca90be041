/** The `command` task: a program on the host of the worker. */
import { HIDDEN, hideValues, type TaskType } from "../task-type.ts";
import { createCommandExecutor } from "./executor.ts";
import { findCommandFaults, findComputedFaults, findShellTexts } from "./faults.ts";
import { CommandParamsSchema } from "./params.ts";

export const commandTask: TaskType<typeof CommandParamsSchema> = {
  title: "CommandTask",
  params: CommandParamsSchema,
  findFaults: findCommandFaults,
  findComputedFaults,
  findShellTexts,
  createExecutor: createCommandExecutor,
  /** Arguments may be credentials, and so may variables and what is read: the program is shown, and the names of variables. */
  show: ({ argv, shell, env, stdin, ...others }) => ({
    ...(argv !== undefined && { argv: argv.map((argument, at) => (at === 0 ? argument : HIDDEN)) }),
    ...(shell !== undefined && { shell: HIDDEN }),
    ...(env !== undefined && { env: hideValues(env) }),
    ...(stdin !== undefined && { stdin: HIDDEN }),
    ...others,
  }),
  waits: true,
  isQuick: () => false,
  // What a command has begun is not undone, so that nobody makes it again unasked.
  defaults: { timeout: "1h", max_attempts: 1 },
};
