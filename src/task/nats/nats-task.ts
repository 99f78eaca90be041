/** The `nats` task: one message. */
import { HIDDEN, type TaskType } from "../task-type.ts";
import { createNatsExecutor } from "./executor.ts";
import { findNatsFaults } from "./faults.ts";
import { NatsParamsSchema } from "./params.ts";

/** With a longer timeout, a server that is away would keep a claim from ending. */
const QUICK_MS = 5_000;

export const natsTask: TaskType<typeof NatsParamsSchema> = {
  title: "NatsTask",
  params: NatsParamsSchema,
  findFaults: findNatsFaults,
  createExecutor: createNatsExecutor,
  /** Values that may be credentials are hidden, and their names are kept. */
  show: ({ data, headers, ...shown }) => ({
    ...shown,
    ...(headers !== undefined && {
      headers: Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN])),
    }),
    ...(data !== undefined && { data: HIDDEN }),
  }),
  waits: true,
  isQuick: ({ timeout_ms }) => timeout_ms <= QUICK_MS,
};
