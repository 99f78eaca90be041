/** The table of task types: a type is a folder, task/{type}/, and a line here. */
import { commandTask } from "./command/command-task.ts";
import { emailTask } from "./email/email-task.ts";
import { httpTask } from "./http/http-task.ts";
import { humanTask } from "./human/human-task.ts";
import { logTask } from "./log/log-task.ts";
import { natsTask } from "./nats/nats-task.ts";
import type { TaskTypes } from "./task-type.ts";
import type { TemplateOf } from "./template.ts";
import { workflowTask } from "./workflow/workflow-task.ts";

/** By the `type` of a task. */
export const TASK_TYPES = {
  log: logTask,
  http: httpTask,
  command: commandTask,
  nats: natsTask,
  email: emailTask,
  human: humanTask,
  workflow: workflowTask,
} satisfies TaskTypes;

type Table = typeof TASK_TYPES;
/** A task of a definition, told apart by its `type`. */
export type TaskTemplate = { [Name in keyof Table]: TemplateOf<Name, Table[Name]["params"]> }[keyof Table];
