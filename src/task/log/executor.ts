/** The `log` executor: one line in actcore's own log. */

import type { Executor } from "../task.ts";
import type { LogTemplate } from "./shape.ts";

export const executeLog: Executor = async (attempt, { log }) => {
  const { message, level = "info" } = attempt.params as LogTemplate["params"];
  log[level]({ event_id: attempt.input.event?.event_id }, message);
  return { message };
};
