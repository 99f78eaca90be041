/** The router: events from the stream into started runs. Any number of copies share the one consumer. */

import { createDispatcher } from "../dispatch/dispatcher.ts";
import { type Chore, runChore } from "../kernel/chore.ts";
import { describeWithHint, RetryableError } from "../kernel/errors.ts";
import type { Role } from "../kernel/lifecycle.ts";
import { aborted } from "../kernel/wait.ts";
import { type Intake, startIntake } from "../nats/intake.ts";
import { createOwedStarter } from "../occurrence/owed-starter.ts";
import { createEventLedger } from "../postgres/event/event-ledger.ts";
import { createWorkflowIdLedger } from "../postgres/occurrence/workflow-id-ledger.ts";
import { createRunStarter } from "../temporal/run-starter.ts";
import { createRole, type RoleDeps } from "./role.ts";

const LOOK_EVERY_MS = 2_000;
/**
 * With many more, an embedded Temporal does hardly anything else in a burst: it keeps the tasks of the started runs in its tables,
 * which costs more than to hand them to a worker that waits, and no run ends until all are started.
 */
const STARTS_BESIDE_RUNS = 4;

export function startRouter({ config, connections, readiness, metrics, log: parent }: RoleDeps): Role {
  const log = parent.child({ role: "router" });
  return createRole("router", { readiness, log }, async (signal, running) => {
    const [postgres, nats, temporal] = await Promise.all([
      connections.postgres(),
      connections.nats(),
      connections.temporal(),
    ]);
    if (signal.aborted) return;
    const ledger = createEventLedger(postgres.prepared);
    const starter = createOwedStarter(createRunStarter(temporal), createWorkflowIdLedger(postgres.db), log);
    const dispatcher = createDispatcher({
      ...{ ledger, starter, metrics, log },
      // An engine of our own shares the processors with the worker.
      ...(config.temporalHost === undefined && { concurrentStarts: STARTS_BESIDE_RUNS }),
    });
    const probe = () => Promise.all([postgres.ping(), temporal.ping()]);
    const intake = startIntake({ nats, handle: dispatcher.handle, probe, log });
    running();
    const watching = runChore(createIntakeWatch(intake), { metrics, log }, signal);
    await aborted(signal);
    intake.stop();
    await intake.done;
    await watching;
  });

  /** Tells readiness and metrics how the intake stands: a router that gets no events is not ready, however well it runs. */
  function createIntakeWatch(intake: Intake): Chore {
    return {
      name: "intake_watch",
      everyMs: LOOK_EVERY_MS,
      failed: "no events are taken in",
      recovered: "events are taken in again",
      async round(signal) {
        const { lag, fault } = await intake.look();
        if (signal.aborted) return;
        for (const [gauge, value] of [
          [metrics.consumerLag, lag?.pending],
          [metrics.consumerUnacked, lag?.ackPending],
        ] as const)
          if (value === undefined) gauge.remove();
          else gauge.set(value);
        if (fault !== undefined) throw new RetryableError("no_intake", fault.message, { hint: fault.hint });
        readiness.role("router", "running");
      },
      onFailure: (error) => readiness.role("router", "waiting", describeWithHint(error)),
    };
  }
}
