/** The router: events from the stream into started runs. Any number of copies share the one consumer. */
import { describeError } from "../errors.ts";
import type { Role } from "../lifecycle.ts";
import type { Metrics } from "../metrics.ts";
import { type Intake, startIntake } from "../nats/intake.ts";
import { createEventLedger } from "../postgres/events.ts";
import { createWorkflowIdLedger } from "../postgres/workflow-ids.ts";
import { createRunStarter } from "../temporal/run-starter.ts";
import { createDispatcher } from "../trigger/event/dispatcher.ts";
import { createOwedStarter } from "../trigger/owed-starter.ts";
import { aborted, sleep } from "../wait.ts";
import { createRole, type RoleDeps } from "./role.ts";

const LAG_EVERY_MS = 5_000;

export function startRouter({ connections, readiness, metrics, log: parent }: RoleDeps): Role {
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
    const dispatcher = createDispatcher({ ledger, starter, metrics, log });
    const intake = startIntake(nats, dispatcher.handle, log);
    const measuring = measureLag(intake, metrics, signal);
    running();
    await aborted(signal);
    intake.stop();
    await intake.done;
    await measuring;
  });

  async function measureLag(
    intake: Intake,
    { consumerLag, consumerUnacked }: Metrics,
    signal: AbortSignal,
  ): Promise<void> {
    do {
      try {
        const { pending, ackPending } = await intake.lag();
        consumerLag.set(pending);
        consumerUnacked.set(ackPending);
      } catch (error) {
        log.debug({ reason: describeError(error) }, "consumer lag unknown");
      }
    } while (!(await sleep(LAG_EVERY_MS, signal)));
  }
}
