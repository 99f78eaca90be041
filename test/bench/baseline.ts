/** A bare Temporal TypeScript worker with an empty workflow beside a server, on its Temporal: the least that the engine can do. */
import { bundleWorkflowCode, NativeConnection, Worker } from "@temporalio/worker";
import { createLog } from "../../src/kernel/log.ts";
import { installRuntime } from "../../src/temporal/runtime.ts";
import { readEndpoints, type Server } from "../support/server.ts";
import { concurrently, type Load } from "./load.ts";

const QUEUE = "bench-empty";

export async function startBaseline(server: Server, { temporal }: Load) {
  installRuntime(createLog("error"), "127.0.0.1:0");
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: new URL("./empty-workflow.ts", import.meta.url).pathname,
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error },
  });
  const connection = await NativeConnection.connect({ address: readEndpoints(server).temporalHost });
  const worker = await Worker.create({ connection, taskQueue: QUEUE, workflowBundle, maxCachedWorkflows: 500 });
  const done = worker.run();
  return {
    /** Empty workflows a second, from the first start to the last result. */
    async measure(count: number): Promise<number> {
      const beganMs = performance.now();
      const prefix = crypto.randomUUID();
      await concurrently(count, (index) =>
        temporal.workflow.execute("emptyWorkflow", { workflowId: `${prefix}-${index}`, taskQueue: QUEUE }),
      );
      return (count * 1000) / (performance.now() - beganMs);
    },
    async stop(): Promise<void> {
      worker.shutdown();
      await done;
      await connection.close();
    },
  };
}
