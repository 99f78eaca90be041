/** RunActivityWorkflow on a real Temporal, in a namespace of its own, with steps that each test plans. */
import { afterAll, beforeAll } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WorkflowHandle } from "@temporalio/client";
import { ApplicationFailure, type TypedSearchAttributes } from "@temporalio/common";
import { temporal } from "@temporalio/proto";
import { DefaultLogger, makeTelemetryFilterString, Runtime } from "@temporalio/worker";
import { workflowBundle } from "../../src/generated/workflow-bundle.ts";
import type { Call, CallEnd } from "../../src/run/call.ts";
import type { HumanOutlook } from "../../src/run/human.ts";
import type {
  Claim,
  ClaimRequest,
  RunClose,
  RunProgress,
  RunResult,
  StartArgument,
  TaskFailure,
  TaskGroup,
  TaskStep,
} from "../../src/run/run.ts";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../../src/run/run.ts";
import { openTemporal, type Temporal } from "../../src/temporal/connection.ts";
import { ensureNamespace } from "../../src/temporal/namespace.ts";
import { createRunInspector } from "../../src/temporal/run-inspector.ts";
import { startWorkers } from "../../src/temporal/workers.ts";
import { ENGINES_TIMEOUT_MS, useEngines } from "./engines.ts";

export type History = temporal.api.history.v1.IHistory;

/** What the steps of one activity's run answer; what is absent succeeds. */
export interface Plan {
  claim?: Partial<Claim>;
  /** What the claim waits for: quick tasks that take their time. */
  claiming?: () => Promise<void>;
  /** Wait before the next try of each task, milliseconds: its first one failed with the claim. */
  delay?: number;
  /** What the workflow is started with, {event_id: "e"} when absent. */
  triggerEvent?: StartArgument;
  tasks?: string[];
  /** In place of `tasks`: the steps that are left after the claim, by the activity's id. */
  steps?: (activityId: string) => TaskStep[];
  /** Tries of each task, 1 when absent. */
  attempts?: number;
  /** What each round decides, where it is not made with the claim; it is told of the failures since the one before. */
  decide?: (runId: string, failures: TaskFailure[]) => Promise<RunProgress>;
  /** The context's step. */
  resolve?: () => Promise<void>;
  execute?: (taskId: string) => Promise<void>;
  /** The try of a workflow task, by its id, and by the number of tries before it; undefined: the task is over. */
  call?: (taskId: string, before: number) => Call | undefined;
  /** How a person's task stands, by its id and the number of looks before. */
  look?: (taskId: string, before: number) => HumanOutlook;
  result?: Partial<RunResult>;
}

/** What the steps of one activity's run were asked. */
export interface Calls {
  claims: ClaimRequest[];
  decisions: number;
  executed: string[];
  /** How the tries of workflow tasks ended. */
  called: CallEnd[];
  /** How often people's tasks were looked at. */
  looks: number;
  /** Tasks that were recorded as over by themselves. */
  failed: TaskFailure[];
  closes: RunClose[];
}

const INSTALLED = Symbol.for("actcore.test.runtime");

/** Temporal's native core without its logs: once per process, whichever file comes first. */
export function installTestRuntime(): void {
  const shared = globalThis as { [INSTALLED]?: true };
  if (shared[INSTALLED]) return;
  shared[INSTALLED] = true;
  const logging = { filter: makeTelemetryFilterString({ core: "ERROR" }), forward: {} };
  Runtime.install({ shutdownSignals: [], logger: new DefaultLogger("ERROR"), telemetryOptions: { logging } });
}

export async function openTestNamespace(): Promise<Temporal & { address: string; namespace: string }> {
  const { temporalHost: address } = await useEngines();
  const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;
  const opened = await openTemporal(address, namespace, "test");
  await ensureNamespace(opened.connection, namespace, { signal: new AbortController().signal });
  return { ...opened, address, namespace };
}

export function stepOf(task_id: string, max_attempts = 1): TaskStep {
  return {
    task_id,
    timeout_ms: 30_000,
    max_attempts,
    initial_interval_ms: 1,
    backoff_coefficient: 1,
    max_interval_ms: 1,
  };
}

/** A group whose tasks have these names; `runId` is that of its run. */
export function groupOf(
  runId: string,
  key: string,
  names: readonly string[],
  rules: Partial<TaskGroup> = {},
): TaskGroup {
  const { task_id: _, ...policy } = stepOf("");
  return { key, ...policy, task_ids: names.map((name) => `${runId}/${name}`), ...rules };
}

export const refusal = (message: string) => ApplicationFailure.nonRetryable(message, "refused");

type PlannedWorkers = Awaited<ReturnType<typeof startPlannedWorkers>>;

/** Workers whose steps follow `plans`, by activity id; the run id of each is `run-{activity id}`. */
async function startPlannedWorkers() {
  installTestRuntime();
  const temporalServer = await openTestNamespace();
  const { address, namespace, client } = temporalServer;
  const plans = new Map<string, { plan: Plan; calls: Calls }>();
  const planned = (id: string) => {
    const found = plans.get(id.replace(/^run-/, ""));
    if (found === undefined) throw refusal(`no plan for ${id}`);
    return found;
  };
  const workers = await startWorkers({
    tls: false,
    address,
    namespace,
    workflowBundle,
    labels: [],
    shutdownGraceMs: 0,
    runSteps: {
      async claimRun(request) {
        const { plan, calls } = planned(request.activity_id);
        calls.claims.push(request);
        const run_id = `run-${request.activity_id}`;
        const steps =
          plan.decide || (plan.claim && "closed" in plan.claim)
            ? undefined
            : (plan.steps?.(request.activity_id) ??
              (plan.tasks ?? []).map((key) => ({
                ...stepOf(`${run_id}/${key}`, plan.attempts),
                ...(plan.delay !== undefined && { delay_ms: plan.delay }),
              })));
        await plan.claiming?.();
        return {
          outcome: "claimed",
          run_id,
          activity_name: "planned",
          ...(steps && { steps }),
          ...plan.claim,
        } as Claim;
      },
      async decideRun(runId, failures) {
        const { plan, calls } = planned(runId);
        calls.decisions++;
        return plan.decide?.(runId, failures ?? []) ?? { groups: [] };
      },
      async failTasks(runId, failures) {
        planned(runId).calls.failed.push(...failures);
      },
      async closeRun(close) {
        const { plan, calls } = planned(close.run_id);
        calls.closes.push(close);
        return { run_id: close.run_id, status: "succeeded", ...plan.result };
      },
    },
    callSteps: {
      async beginCall(taskId) {
        const { plan, calls } = planned(taskId.split("/")[0] ?? "");
        return plan.call?.(taskId, calls.called.length);
      },
      async endCall({ tried: { task_id } }, end) {
        planned(task_id.split("/")[0] ?? "").calls.called.push(end);
        return end.ok ? undefined : end;
      },
    },
    humanSteps: {
      async lookAtHumanTask(taskId) {
        const { plan, calls } = planned(taskId.split("/")[0] ?? "");
        return plan.look?.(taskId, calls.looks++) ?? { over: true };
      },
    },
    taskSteps: {
      resolveContext: async (runId) => planned(runId).plan.resolve?.(),
      async executeTask(taskId) {
        const { plan, calls } = planned(taskId.split("/")[0] ?? "");
        calls.executed.push(taskId.split("/")[1] ?? "");
        await plan.execute?.(taskId);
      },
    },
  });

  return {
    client,
    inspector: createRunInspector(temporalServer),
    /** Starts a run of a new activity that goes as planned. */
    async start(plan: Plan, attributes?: (activityId: string) => TypedSearchAttributes) {
      const activityId = crypto.randomUUID();
      const calls: Calls = {
        ...{ claims: [], decisions: 0, executed: [], called: [], looks: 0, failed: [], closes: [] },
      };
      plans.set(activityId, { plan, calls });
      const handle = await client.workflow.start(RUN_ACTIVITY_WORKFLOW, {
        taskQueue: ORCHESTRATOR_QUEUE,
        workflowId: `activity-${activityId}:e`,
        args: [activityId, plan.triggerEvent ?? { event_id: "e" }],
        ...(attributes && { typedSearchAttributes: attributes(activityId) }),
      });
      return { activityId, calls, handle };
    },
    async close() {
      workers.shutdown();
      await workers.done;
      await temporalServer.close();
    },
  };
}

/** A recorded history, as the SDK takes it. Its own historyFromJSON fails under Bun. */
export function historyOf(json: object): History {
  return temporal.api.history.v1.History.fromObject(json);
}

/** The history as JSON, without the names of the machine that made it: its processes, its sticky queues, its paths. */
export function historyToJson(history: History): string {
  const { History } = temporal.api.history.v1;
  const plain = History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String });
  const anonymous = (key: string, value: unknown) =>
    key === "identity" || (key === "name" && /^\d+[-@]/.test(String(value)))
      ? "test"
      : key === "stackTrace"
        ? ""
        : value;
  return `${JSON.stringify(plain, anonymous, 1)}\n`;
}

/** Records the history of a run under `name`, where ACTCORE_RECORD_HISTORIES is set and none is recorded under it. */
export async function recordHistory(name: string, handle: WorkflowHandle): Promise<void> {
  const file = join(import.meta.dir, "../workflow/histories", `${name}.json`);
  if (!process.env.ACTCORE_RECORD_HISTORIES || existsSync(file)) return;
  writeFileSync(file, historyToJson(await handle.fetchHistory()));
}

/** Planned workers for all tests of the file that calls it. */
export function usePlannedWorkers() {
  let workers: PlannedWorkers;
  beforeAll(async () => {
    workers = await startPlannedWorkers();
  }, ENGINES_TIMEOUT_MS);
  afterAll(() => workers?.close());
  return {
    get client() {
      return workers.client;
    },
    get inspector() {
      return workers.inspector;
    },
    start: (...about: Parameters<PlannedWorkers["start"]>) => workers.start(...about),
    run: (name: string, plan: Plan) => runPlanned(workers, name, plan),
  };
}

/** Runs what is planned to its end: the run's result, or its error, and what its steps were asked. */
async function runPlanned(workers: PlannedWorkers, name: string, plan: Plan) {
  const started = await workers.start(plan);
  const result = await started.handle.result().catch((error: unknown) => error);
  await recordHistory(name, started.handle);
  return { ...started, result };
}
