/** A task type that actcore does not have: it answers what it is given. */
import { Type } from "@sinclair/typebox";
import type { TaskType } from "../../../src/task/task-type.ts";

const EchoParams = Type.Object(
  { text: Type.String({ minLength: 1 }), times: Type.Optional(Type.Integer({ minimum: 1 })) },
  { additionalProperties: false },
);

export const echoTask: TaskType<typeof EchoParams> = {
  title: "EchoTask",
  params: EchoParams,
  findFaults: ({ text }, path) => (text === "?" ? [{ path: `${path}/text`, message: "says nothing" }] : []),
  createExecutor:
    () =>
    async ({ params: { text, times = 1 } }) => ({ said: text.repeat(times) }),
  show: ({ times }) => ({ times }),
  waits: false,
  isQuick: () => false,
};
