/** The `log` task: one line in actcore's own log. */
import { Type } from "@sinclair/typebox";
import { oneOf } from "../../json/schema-parts.ts";
import type { TaskType } from "../task-type.ts";

const LogParams = Type.Object(
  {
    message: Type.String({ maxLength: 10_000, description: "Written to actcore's own log." }),
    level: Type.Optional(
      oneOf(["debug", "info", "warn", "error"], { default: "info", expected: "debug, info, warn or error" }),
    ),
  },
  { additionalProperties: false },
);

export const logTask: TaskType<typeof LogParams> = {
  title: "LogTask",
  params: LogParams,
  findFaults: () => [],
  createExecutor:
    () =>
    async ({ params: { message, level = "info" }, input }, { log }) => {
      log[level]({ event_id: input.event?.event_id }, message);
      return { message };
    },
  show: (params) => params,
  waits: false,
  isQuick: () => true,
};
