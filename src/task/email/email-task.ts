/** The `email` task: one mail. */
import { HIDDEN, type TaskType } from "../task-type.ts";
import { createEmailExecutor } from "./executor.ts";
import { findEmailFaults } from "./faults.ts";
import { EmailParamsSchema } from "./params.ts";

export const emailTask: TaskType<typeof EmailParamsSchema> = {
  title: "EmailTask",
  params: EmailParamsSchema,
  findFaults: (params, path) => findEmailFaults(params, path),
  createExecutor: createEmailExecutor,
  /** Who gets it is shown, and what it says is not: it may have a code or a link by which somebody is let in. */
  show: ({ text, html, ...shown }) => ({
    ...shown,
    subject: HIDDEN,
    ...(text !== undefined && { text: HIDDEN }),
    ...(html !== undefined && { html: HIDDEN }),
  }),
  waits: true,
  // A mail server may take its time, which a claim does not have.
  isQuick: () => false,
};
