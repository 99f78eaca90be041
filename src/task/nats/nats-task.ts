/** The `nats` task: one message. */
import { HIDDEN, hideValues, isQuickExchange, type TaskType } from "../task-type.ts";
import { createNatsExecutor } from "./executor.ts";
import { findNatsFaults } from "./faults.ts";
import { NatsParamsSchema } from "./params.ts";

export const natsTask: TaskType<typeof NatsParamsSchema> = {
  title: "NatsTask",
  params: NatsParamsSchema,
  findFaults: findNatsFaults,
  createExecutor: createNatsExecutor,
  /** Values that may be credentials are hidden, and their names are kept. */
  show: ({ data, headers, ...shown }) => ({
    ...shown,
    ...(headers !== undefined && { headers: hideValues(headers) }),
    ...(data !== undefined && { data: HIDDEN }),
  }),
  waits: true,
  isQuick: isQuickExchange,
};
