/** The API: listens from the first moment, so that `/readyz` can say what is missing; answers 503 for what is. */
import { createAuthenticator, type Keyless } from "../access/authenticate.ts";
import type { KeyStore } from "../access/key-store.ts";
import { createCheckedPublisher, type DoorLedger } from "../dispatch/checked-publisher.ts";
import { type App, createApp, createHooksApp } from "../http/app.ts";
import type { Services } from "../http/services.ts";
import { type Address, formatAddress, isLoopback } from "../kernel/address.ts";
import type { Config } from "../kernel/config.ts";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Role } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { portInUse, SETTINGS } from "../kernel/settings.ts";
import { aborted, retryUntilDone } from "../kernel/wait.ts";
import { createPublisher } from "../nats/publisher.ts";
import { createRunControl } from "../occurrence/control.ts";
import { createOwedStarter } from "../occurrence/owed-starter.ts";
import { createStartRuns } from "../occurrence/start-runs.ts";
import { createTaskControl } from "../occurrence/task-control.ts";
import { createAuditReader } from "../postgres/access/audit.ts";
import { createKeyStore } from "../postgres/access/key-store.ts";
import { createDefinitionStore } from "../postgres/definition/definition-store.ts";
import { createEventContentReader } from "../postgres/event/event-contents.ts";
import { createEventLedger } from "../postgres/event/event-ledger.ts";
import { createEnforcedTypeReader, createEventTypeReader } from "../postgres/event/event-types.ts";
import { createExpectationReader } from "../postgres/expectation/expectation-reader.ts";
import { createDueTimeReader } from "../postgres/explain/due-time-reader.ts";
import { createExplainReader } from "../postgres/explain/explain-reader.ts";
import { createLedgerReader } from "../postgres/explain/ledger-reader.ts";
import { createSkippedReader } from "../postgres/explain/skipped-reader.ts";
import { createUnmatchedReader } from "../postgres/explain/unmatched-reader.ts";
import { createWaitingReader } from "../postgres/explain/waiting-reader.ts";
import { createHookReader } from "../postgres/hook/hook-reader.ts";
import { createHookStore } from "../postgres/hook/hook-store.ts";
import { createAcceptanceLedger } from "../postgres/occurrence/acceptance-ledger.ts";
import { createTaskRequestLedger } from "../postgres/occurrence/task-requests.ts";
import { createWorkflowIdLedger } from "../postgres/occurrence/workflow-id-ledger.ts";
import { createHistoryReader } from "../postgres/rehearsal/history-reader.ts";
import { createLetterLedger } from "../postgres/replay/letter-ledger.ts";
import { createReplayLedger } from "../postgres/replay/replay-ledger.ts";
import { createHumanLedger } from "../postgres/run/human-ledger.ts";
import { createRunLedger } from "../postgres/run/run-ledger.ts";
import { createDryRuns } from "../rehearsal/dry-run.ts";
import { createWhatIf } from "../rehearsal/what-if.ts";
import { createActivityReplays } from "../replay/activity-replay.ts";
import { createEventReplays } from "../replay/event-replay.ts";
import { createLetterDesk } from "../replay/letter-desk.ts";
import { createLetterReader } from "../replay/letter-reader.ts";
import type { RunWorkflow } from "../run/engine.ts";
import { createHumanDesk } from "../run/human-desk.ts";
import type { HumanCaller } from "../run/human-ledger.ts";
import { createParamsCheck } from "../task/params-check.ts";
import type { Temporal } from "../temporal/connection.ts";
import { createHumanCaller } from "../temporal/human-caller.ts";
import { createQueueInspector } from "../temporal/queue-inspector.ts";
import { createRunInspector } from "../temporal/run-inspector.ts";
import { createRunStarter } from "../temporal/run-starter.ts";
import { createScheduleReader } from "../temporal/schedule-reader.ts";
import { createConfiguredResolver, type OpenContextResolver } from "./context.ts";
import { createLateReceiver, HOOK_ENGINES, type HookParts } from "./hooks.ts";
import { createLateParts } from "./late-parts.ts";
import { createConfiguredDial, findTaskRules } from "./own-engines.ts";
import { createRole, type RoleDeps } from "./role.ts";
import { createSync } from "./sync.ts";

/** The parts of the API that are made when an engine is reached. */
interface Parts extends Omit<Services, "rules" | "readiness" | "retention" | "hookReceiver">, HookParts {
  temporal: Temporal;
  starter: ReturnType<typeof createRunStarter>;
  humanCaller: HumanCaller;
}

const ENGINES = {
  definitions: "postgres",
  expectations: "postgres",
  eventTypes: "postgres",
  hooks: "postgres",
  ledger: "postgres",
  dueTimes: "postgres",
  skippedDueTimes: "postgres",
  waiting: "postgres",
  explanations: "postgres",
  unmatched: "postgres",
  control: "postgres",
  humans: "postgres",
  taskControl: "postgres",
  letterDesk: "postgres",
  replays: "postgres",
  keys: "postgres",
  audit: "postgres",
  sync: "postgres",
  dryRuns: "postgres",
  whatIf: "postgres",
  events: "nats",
  schedules: "temporal",
  queues: "temporal",
  temporal: "temporal",
  starter: "temporal",
  humanCaller: "temporal",
  ...HOOK_ENGINES,
} as const;

/** @throws InvalidInputError `port_in_use`; fails with TerminalError `keys_required` on an address that needs keys */
export function startApi(deps: RoleDeps): Role {
  const { config, connections, endpoints, taskTypes, secrets, readiness, metrics } = deps;
  const log = deps.log.child({ role: "api" });
  const { parts, reach } = createLateParts<Parts>(ENGINES, readiness);
  const services = Object.assign(parts, {
    readiness,
    retention: config,
    rules: findTaskRules(taskTypes, config),
    hookReceiver: createLateReceiver(parts, { secrets, metrics, log }),
  });
  let doorLedger: DoorLedger | undefined;
  let resolver: OpenContextResolver | undefined;
  endpoints.then(
    (located) => {
      services.rules = findTaskRules(taskTypes, config, located);
    },
    () => {}, // the connections tell
  );

  const keyless = keylessOf(config);
  const notOpenYet = new RetryableError("not_open_yet", "the API opens when it has found that there are keys");
  let closed = keyless === "never" ? notOpenYet : undefined;
  if (keyless === "always")
    log.warn(
      { address: formatAddress(config.apiAddr), setting: SETTINGS.insecureNoAuth.env },
      "INSECURE: the API asks nobody for a key; whoever reaches this address can read, change and run everything",
    );
  const servers = [listen(createApi(), config.apiAddr, SETTINGS.apiAddr, "the API")];
  if (config.hooksAddr !== undefined)
    servers.push(listen(createHooksApp(services, log), config.hooksAddr, SETTINGS.hooksAddr, "the hooks"));
  const role = createRole("api", { readiness, log }, async (signal, running) => {
    const engines = [
      connections.postgres().then(async (postgres) => {
        const { db } = postgres;
        reach({
          keys: createKeyStore(db),
          hookReader: createHookReader(postgres.prepared),
          letters: createEventLedger(postgres.prepared),
        });
        if (closed) await requireKeys(parts.keys, config.apiAddr, signal, log);
        closed = undefined;
        doorLedger = {
          ...createEnforcedTypeReader(postgres.prepared),
          ...createEventContentReader(postgres.prepared),
        };
        const definitions = createDefinitionStore(db);
        const ledger = createLedgerReader(db);
        const history = createHistoryReader(db);
        const checkParams = createParamsCheck(services.rules);
        // A request is accepted while Temporal was never reached: the finisher carries it out.
        const starter = {
          ...createOwedStarter({ start: async (run) => parts.starter.start(run) }, createWorkflowIdLedger(db), log),
          cancel: async (workflow: RunWorkflow) => parts.starter.cancel(workflow),
          cancelTask: async (workflow: RunWorkflow, taskId: string) => parts.starter.cancelTask(workflow, taskId),
        };
        const events = createEventLedger(db);
        const startRuns = createStartRuns(starter, log);
        const replayLedger = createReplayLedger(db);
        resolver = createConfiguredResolver(deps, postgres, createConfiguredDial(config, await endpoints));
        reach({
          audit: createAuditReader(db),
          sync: createSync({
            config,
            rules: services.rules,
            postgres,
            temporal: () => parts.temporal,
            metrics,
            readiness,
            log,
          }),
          dryRuns: createDryRuns({ resolver, secrets, checkParams, history }),
          whatIf: createWhatIf({ history, checkParams }),
          definitions,
          expectations: createExpectationReader(db),
          eventTypes: createEventTypeReader(db),
          hooks: createHookStore(db),
          ledger,
          dueTimes: createDueTimeReader(db),
          skippedDueTimes: createSkippedReader(db),
          waiting: createWaitingReader(db),
          explanations: createExplainReader(db),
          unmatched: createUnmatchedReader(db),
          humans: createHumanDesk({
            humans: createHumanLedger(db, log),
            caller: { lookAgain: async (taskId) => parts.humanCaller.lookAgain(taskId) },
            log,
          }),
          control: createRunControl({
            accepted: createAcceptanceLedger(db),
            reader: ledger,
            definitions,
            runs: createRunLedger(db),
            starter,
            log,
          }),
          letterDesk: createLetterDesk({
            letters: createLetterLedger(db),
            readLetter: createLetterReader(createHookReader(db)),
            events,
            startRuns,
            log,
          }),
          replays: {
            event: createEventReplays({ ledger: replayLedger, history, events, startRuns }),
            activity: createActivityReplays({ ledger: replayLedger, history, definitions, startRuns }),
          },
          taskControl: createTaskControl({ requests: createTaskRequestLedger(db), engine: starter, log }),
        });
      }),
      connections.nats().then((nats) => {
        const publisher = createPublisher(nats);
        reach({ publisher, events: createCheckedPublisher(publisher, () => doorLedger) });
      }),
      connections.temporal().then((temporal) => {
        reach({
          temporal,
          starter: createRunStarter(temporal),
          humanCaller: createHumanCaller(temporal),
          schedules: createScheduleReader(temporal),
          queues: createQueueInspector(temporal, createRunInspector(temporal)),
        });
      }),
    ];
    if (!closed)
      running(); // it serves what it can: the engines say the rest
    else void engines[0]?.then(running, () => {});
    await Promise.race([Promise.all(engines), aborted(signal)]);
    await aborted(signal);
    // Refuses new connections, and resolves when the last answer is out.
    await Promise.all(servers.map((server) => server.stop()));
    await resolver?.close();
  });
  return { ...role, close: async () => servers.forEach((server) => void server.stop(true)) };

  function createApi() {
    const authenticator = createAuthenticator({ keys: () => services.keys, keyless, log });
    const hosts = { loopback: isLoopback(config.apiAddr.host), hosts: config.apiHosts };
    return createApp(services, { ...authenticator, hosts, closed: () => closed }, log, taskTypes);
  }
}

/** `whose` completes "the address of …". @throws InvalidInputError `port_in_use` */
function listen(app: App, address: Address, setting: Parameters<typeof portInUse>[0], whose: string) {
  try {
    // http/body.ts bounds each body as it reads; Bun's own refusal would be no problem+json.
    // Without `reusePort: false`, Elysia lets a second server share the port, and each would get some of the requests.
    app.listen({
      hostname: address.host,
      port: address.port,
      reusePort: false,
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      idleTimeout: 30,
    });
  } catch (error) {
    if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    throw portInUse(setting, address, whose);
  }
  if (!app.server) throw new Error("the listener did not start");
  return app.server;
}

function keylessOf({ insecureNoAuth, apiAddr }: Config): Keyless {
  if (insecureNoAuth) return "always";
  return isLoopback(apiAddr.host) ? "until_first_key" : "never";
}

/** An address that others reach is not served before there are keys. @throws TerminalError `keys_required` */
async function requireKeys(keys: KeyStore, address: Address, signal: AbortSignal, log: Log): Promise<void> {
  const anyMade = await retryUntilDone(
    () => keys.anyMade(),
    signal,
    (error) => log.warn({ reason: describeError(error) }, "waiting to learn whether there are keys"),
  );
  if (anyMade !== false) return;
  throw new TerminalError("keys_required", `${formatAddress(address)} is reached by others, and there is no API key`, {
    hint:
      "Serve on loopback and make one: actcore keys create --name=NAME --scopes=admin. " +
      "Or give --insecure-no-auth, which asks nobody for a key.",
  });
}
