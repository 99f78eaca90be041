/** The workers: one sequences runs, another does tasks, and one more for each label does those that are meant for it. */
import { NativeConnection, Worker } from "@temporalio/worker";
import type { CallSteps } from "../run/call.ts";
import type { HumanSteps } from "../run/human.ts";
import {
  BEAT_EVERY_MS,
  labelQueue,
  ORCHESTRATOR_QUEUE,
  type RunSteps,
  TASK_QUEUE,
  type TaskSteps,
} from "../run/run.ts";
import { type TemporalTls, unavailable } from "./connection.ts";
import { runToItsEnd } from "./worker-end.ts";

export interface WorkersOptions {
  address: string;
  tls: TemporalTls;
  namespace: string;
  /** Prebuilt by deploy/build: the code of src/workflows. */
  workflowBundle: { code: string };
  runSteps: RunSteps;
  taskSteps: TaskSteps;
  callSteps: CallSteps;
  humanSteps: HumanSteps;
  /** What tasks that are meant for some workers only may call this one. */
  labels: readonly string[];
  /** How long a try may go on after a shutdown began, milliseconds. */
  shutdownGraceMs: number;
}

/**
 * How many first steps of runs are done at once. One takes as long as its quick tasks, and those that wait for the outside
 * (activities/quick-tasks.ts, at most 32) must leave enough to other runs.
 */
const RUNS_AT_ONCE = 100;

export interface Workers {
  /** Settles when all have stopped; rejects when one failed. */
  readonly done: Promise<void>;
  /** Stops polling; `done` settles when what is in flight has ended, at the latest after the grace time. */
  shutdown(): void;
}

/** @throws RetryableError `temporal_unavailable` */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const {
    address,
    tls,
    namespace,
    workflowBundle,
    runSteps,
    taskSteps,
    callSteps,
    humanSteps,
    labels,
    shutdownGraceMs,
  } = options;
  let connection: NativeConnection;
  try {
    connection = await NativeConnection.connect({ address, tls });
  } catch (error) {
    throw unavailable(error);
  }
  const shared = {
    connection,
    namespace,
    shutdownGraceTime: shutdownGraceMs,
    shutdownForceTime: shutdownGraceMs + 2000,
  };
  const created = await Promise.allSettled([
    Worker.create({
      ...shared,
      taskQueue: ORCHESTRATOR_QUEUE,
      workflowBundle,
      activities: { ...runSteps, ...callSteps, ...humanSteps },
      enableNonLocalActivities: false,
      maxCachedWorkflows: 500,
      maxConcurrentWorkflowTaskExecutions: RUNS_AT_ONCE,
      maxConcurrentLocalActivityExecutions: RUNS_AT_ONCE,
    }),
    ...[TASK_QUEUE, ...labels.map(labelQueue)].map((taskQueue) =>
      Worker.create({
        ...shared,
        taskQueue,
        activities: { ...taskSteps },
        maxConcurrentActivityTaskExecutions: 100,
        // A task hears that it is cancelled by the answer to a beat, of which the SDK sends one in 12 s unless told otherwise.
        maxHeartbeatThrottleInterval: BEAT_EVERY_MS,
      }),
    ),
  ]);
  const workers = created.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failure = created.find((result) => result.status === "rejected");
  if (failure) {
    await Promise.allSettled(workers.map(endUnused));
    await connection.close().catch(() => {}); // the failure before says more
    throw unavailable(failure.reason);
  }

  const shutdown = () => {
    for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
  };
  const run = async (worker: Worker) => {
    try {
      await runToItsEnd(worker);
    } finally {
      shutdown(); // one alone can do only a part of a run
    }
  };
  const done = Promise.allSettled(workers.map(run)).then(async (results) => {
    const failed = results.find((result) => result.status === "rejected");
    // A worker that hangs holds its connection; its failure says more.
    await connection.close().catch((error) => {
      if (failed === undefined) throw error;
    });
    if (failed) throw failed.reason;
  });
  return { done, shutdown };
}

/** A worker holds the connection until it has run. */
async function endUnused(worker: Worker): Promise<void> {
  const running = worker.run();
  worker.shutdown();
  await running;
}
