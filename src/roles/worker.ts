/**
 * The worker: sequences runs, does tasks, and keeps the schedules up to their definitions. Any number of copies share
 * the task queues; the schedules are one copy's work at a time.
 */

import { createCallSteps } from "../activities/call-steps.ts";
import { createTaskSteps } from "../activities/execute-task.ts";
import { createHumanSteps } from "../activities/human-steps.ts";
import { createContextStep } from "../activities/resolve-context.ts";
import { createRunSteps } from "../activities/run-steps.ts";
import { maskFailures } from "../activities/translate.ts";
import { createTries, stopAfter } from "../activities/tries.ts";
import { createActivityCache } from "../definition/activity.ts";
import type { EngineEndpoints } from "../engines/engine-status.ts";
import { createOwnEventChore } from "../event/own-event-publisher.ts";
import { createExpectationChore } from "../expectation/expectation-watch.ts";
import { createGateKeeperChore } from "../flow/gate-keeper.ts";
import { createWindowChore } from "../flow/window-closer.ts";
import { workflowBundle } from "../generated/workflow-bundle.ts";
import { type Chore, runChore } from "../kernel/chore.ts";
import { describeError } from "../kernel/errors.ts";
import type { Role } from "../kernel/lifecycle.ts";
import { aborted, createBackoff, retryUntilDone, sleep } from "../kernel/wait.ts";
import { createRetentionChore } from "../maintenance/retention.ts";
import { createMessagePublisher } from "../nats/message-publisher.ts";
import { createPublisher } from "../nats/publisher.ts";
import { createClaims } from "../occurrence/claim.ts";
import { createFinisherChore } from "../occurrence/finisher.ts";
import { createOwedStarter } from "../occurrence/owed-starter.ts";
import type { Postgres } from "../postgres/client.ts";
import { createEventLedger } from "../postgres/event/event-ledger.ts";
import { createOwnEventOutbox } from "../postgres/event/own-event-outbox.ts";
import { createExpectationLedger } from "../postgres/expectation/expectation-ledger.ts";
import { createLedgerReader } from "../postgres/explain/ledger-reader.ts";
import { createAdmissionLedger } from "../postgres/flow/admission-ledger.ts";
import { createWindowLedger } from "../postgres/flow/window-ledger.ts";
import { holdingLocks, type Lock } from "../postgres/lock.ts";
import { createSweeper } from "../postgres/maintenance/sweeper.ts";
import { createOccurrenceLedger } from "../postgres/occurrence/occurrence-ledger.ts";
import { createUnfinishedLedger } from "../postgres/occurrence/unfinished-ledger.ts";
import { createWorkflowIdLedger } from "../postgres/occurrence/workflow-id-ledger.ts";
import { createHumanLedger } from "../postgres/run/human-ledger.ts";
import { createRunLedger } from "../postgres/run/run-ledger.ts";
import { createTaskLedger } from "../postgres/run/task-ledger.ts";
import { createDueLedger } from "../postgres/schedule/due-ledger.ts";
import { createDueWatch } from "../postgres/schedule/due-watch.ts";
import { createProjectionStore } from "../postgres/schedule/projection-store.ts";
import { createUntoldChore } from "../run/human-desk.ts";
import { createProjectorChore } from "../schedule/projector.ts";
import { createReconcilerChore } from "../schedule/reconciler.ts";
import { createParamsCheck } from "../task/params-check.ts";
import { createExecutors } from "../task/task-type.ts";
import { type Temporal, temporalTlsOf } from "../temporal/connection.ts";
import { createHumanCaller } from "../temporal/human-caller.ts";
import { createQueueInspector } from "../temporal/queue-inspector.ts";
import { createRunInspector } from "../temporal/run-inspector.ts";
import { createRunStarter } from "../temporal/run-starter.ts";
import { createScheduleReader } from "../temporal/schedule-reader.ts";
import { createScheduler } from "../temporal/schedules.ts";
import { startWorkers, type Workers } from "../temporal/workers.ts";
import { createConfiguredCommands } from "./commands.ts";
import { createConfiguredResolver } from "./context.ts";
import { createConfiguredMailer } from "./mail.ts";
import { createConfiguredDial, findTaskRules } from "./own-engines.ts";
import { createRole, type RoleDeps } from "./role.ts";
import { createSync, createSyncChore } from "./sync.ts";

const COUNT_EVERY_MS = 5_000;
const RECORD_WITHIN_MS = 3_000;
/** Workers that ran this long have nothing to do with the failure before. */
const GOOD_UPTIME_MS = 60_000;

export function startWorker(deps: RoleDeps): Role {
  const { config, secrets, connections, endpoints, taskTypes, readiness, metrics } = deps;
  const log = deps.log.child({ role: "worker" });

  return createRole("worker", { readiness, log }, async (signal, running, onCut) => {
    const [postgres, temporal] = await Promise.all([connections.postgres(), connections.temporal()]);
    if (signal.aborted) return;
    const located = await endpoints;
    // Cancelled some seconds before the drain is cut, so that a long try can still record how it ended.
    const shutdownGraceMs = Math.max(0, config.drainTimeoutMs - RECORD_WITHIN_MS);
    const dial = createConfiguredDial(config, located);
    const commands = createConfiguredCommands(config, secrets, postgres);
    const messages = createMessagePublisher(connections.nats);
    const mailer = createConfiguredMailer(config, secrets);
    const executors = createExecutors(taskTypes, { dial, commands, messages, mailer });
    const resolver = createConfiguredResolver({ config, secrets, connections }, postgres, dial);
    const tasks = createTaskLedger(postgres.prepared);
    const activities = createActivityCache();
    const humans = createHumanLedger(postgres.db, log);
    const steps = { tasks, tries: createTries({ tasks, executors, secrets, metrics, log }), metrics, log, onCut };
    const options = {
      address: located.temporalHost,
      tls: temporalTlsOf(config),
      namespace: config.temporalNamespace,
      workflowBundle,
      runSteps: createRunSteps({
        ...steps,
        claims: createClaims({ ledger: createOccurrenceLedger(postgres.prepared), activities }),
        runs: createRunLedger(postgres.prepared),
        types: taskTypes,
        checkParams: createParamsCheck(findTaskRules(taskTypes, config, located)),
        secrets,
        stop: stopAfter(signal, shutdownGraceMs),
      }),
      taskSteps: {
        ...createTaskSteps(steps),
        resolveContext: createContextStep({
          runs: createRunLedger(postgres.prepared),
          resolver,
        }),
      },
      callSteps: createCallSteps({
        ...steps,
        secrets,
        queues: createQueueInspector(temporal, createRunInspector(temporal)),
      }),
      humanSteps: createHumanSteps({ humans }),
      labels: config.workerLabels,
      shutdownGraceMs,
    };
    const masked = {
      ...options,
      runSteps: maskFailures(options.runSteps, secrets),
      taskSteps: maskFailures(options.taskSteps, secrets),
      callSteps: maskFailures(options.callSteps, secrets),
      humanSteps: maskFailures(options.humanSteps, secrets),
    };
    const onFailure = (error: unknown) => log.warn({ reason: describeError(error) }, "workers not started");
    const backoff = createBackoff(200, 5_000);
    const startAgain = () => retryUntilDone(() => startWorkers(masked), signal, onFailure, backoff);

    const engine = createRunStarter(temporal);
    const starter = createOwedStarter(engine, createWorkflowIdLedger(postgres.db), log);
    const keepDoing = (chore: Chore, ...locks: Lock[]) => {
      const alone = (body: () => Promise<void>) => holdingLocks(postgres, locks, body);
      return runChore(chore, { metrics, log, ...(locks.length > 0 && { alone }) }, signal);
    };
    const projector = createProjectorChore({
      store: createProjectionStore(postgres),
      scheduler: createScheduler(temporal, metrics),
      log,
    });
    const finisher = createFinisherChore({
      unfinished: createUnfinishedLedger(postgres),
      events: createEventLedger(postgres.prepared),
      runs: createRunLedger(postgres.prepared),
      workflows: { ...engine, ...starter, ...createRunInspector(temporal) },
      metrics,
      log,
    });
    const reconciler = createReconcilerChore({
      due: createDueLedger(postgres),
      watch: createDueWatch(postgres),
      schedules: createScheduleReader(temporal),
      starter,
      metrics,
      log,
    });
    const windows = createWindowChore({ windows: createWindowLedger(postgres, activities), starter, metrics, log });
    const ownEvents = createOwnEventChore({
      outbox: createOwnEventOutbox(postgres),
      publisher: async () => createPublisher(await connections.nats()),
    });
    const expectations = createExpectationChore({
      ledger: createExpectationLedger(postgres),
      schedules: createScheduleReader(temporal),
      metrics,
      log,
    });
    const retention = createRetentionChore(createSweeper(postgres.db), config, { metrics, log });
    const chores = [
      keepDoing(projector, "sync", "schedules"),
      keepDoing(finisher, "finisher"),
      keepDoing(reconciler, "dueTimes"),
      keepDoing(createGateKeeperChore({ ledger: createAdmissionLedger(postgres), starter, metrics, log })),
      keepDoing(createUntoldChore({ humans, caller: createHumanCaller(temporal) })),
      keepDoing(expectations),
      keepDoing(ownEvents, "ownEvents"),
      keepDoing(windows),
      keepDoing(retention, "retention"),
      keepDoing(createRunCounter(postgres)),
      // Beside everything else: files, and an engine that takes its time, keep nothing from starting.
      config.skipScheduleSync ? undefined : keepDoing(syncAtStart(postgres, temporal, located)),
    ];
    for (let workers = await startAgain(); workers !== undefined; workers = await startAgain()) {
      running();
      const startedMs = Date.now();
      await untilStopped(workers, signal);
      if (signal.aborted) break;
      if (Date.now() - startedMs > GOOD_UPTIME_MS) backoff.reset();
      await sleep(backoff.next(), signal);
    }
    await Promise.all(chores);
    await resolver.close();
    commands.processes.close();
  });

  /** Until the workers fail, or have drained after `signal`. */
  async function untilStopped(workers: Workers, signal: AbortSignal): Promise<void> {
    void aborted(signal).then(workers.shutdown);
    await workers.done.catch((error) => {
      if (!signal.aborted) readiness.role("worker", "waiting", `its workers failed: ${describeError(error)}`);
      log.error({ error }, "workers failed; starting them again");
    });
  }

  function syncAtStart(postgres: Postgres, temporal: Temporal, located: EngineEndpoints): Chore {
    const rules = findTaskRules(taskTypes, config, located);
    return createSyncChore(createSync({ config, rules, postgres, temporal: () => temporal, metrics, readiness, log }));
  }

  function createRunCounter(postgres: Postgres): Chore {
    const reader = createLedgerReader(postgres.db);
    return {
      name: "run_counter",
      everyMs: COUNT_EVERY_MS,
      failed: "open runs not counted",
      async round() {
        const { running, queued } = await reader.countOpenRuns();
        metrics.runsInFlight.set(running);
        metrics.runsQueued.set(queued);
      },
      onFailure() {
        metrics.runsInFlight.remove();
        metrics.runsQueued.remove();
      },
    };
  }
}
