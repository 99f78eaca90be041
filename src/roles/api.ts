/** The API: listens from the first moment, so that `/readyz` can say what is missing; answers 503 for what is. */
import { createAuthenticator, type Keyless } from "../access/authenticate.ts";
import type { KeyStore } from "../access/key-store.ts";
import { createCheckedPublisher, type DoorLedger } from "../dispatch/checked-publisher.ts";
import { createApp } from "../http/app.ts";
import type { Services } from "../http/services.ts";
import { type Address, formatAddress, isLoopback } from "../kernel/address.ts";
import type { Config } from "../kernel/config.ts";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Role } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import type { Engine } from "../kernel/readiness.ts";
import { portInUse, SETTINGS } from "../kernel/settings.ts";
import { aborted, retryUntilDone } from "../kernel/wait.ts";
import { createPublisher } from "../nats/publisher.ts";
import { createRunControl } from "../occurrence/control.ts";
import { createOwedStarter } from "../occurrence/owed-starter.ts";
import { createAuditReader } from "../postgres/access/audit.ts";
import { createKeyStore } from "../postgres/access/key-store.ts";
import { createDefinitionStore } from "../postgres/definition/definition-store.ts";
import { createEventContentReader } from "../postgres/event/event-contents.ts";
import { createEnforcedTypeReader, createEventTypeReader } from "../postgres/event/event-types.ts";
import { createDueTimeReader } from "../postgres/explain/due-time-reader.ts";
import { createLedgerReader } from "../postgres/explain/ledger-reader.ts";
import { createSkippedReader } from "../postgres/explain/skipped-reader.ts";
import { createAcceptanceLedger } from "../postgres/occurrence/acceptance-ledger.ts";
import { createWorkflowIdLedger } from "../postgres/occurrence/workflow-id-ledger.ts";
import { createRunLedger } from "../postgres/run/run-ledger.ts";
import type { Temporal } from "../temporal/connection.ts";
import { createRunStarter } from "../temporal/run-starter.ts";
import { createScheduleReader } from "../temporal/schedule-reader.ts";
import { findOwnEngines } from "./own-engines.ts";
import { createRole, type RoleDeps } from "./role.ts";
import { createSync } from "./sync.ts";

/** @throws InvalidInputError `port_in_use`; fails with TerminalError `keys_required` on an address that needs keys */
export function startApi({
  config,
  connections,
  endpoints,
  taskTypes,
  readiness,
  metrics,
  log: parent,
}: RoleDeps): Role {
  const log = parent.child({ role: "api" });
  const reached: { -readonly [K in Exclude<keyof Services, "readiness">]?: Services[K] } = {};
  let starter: ReturnType<typeof createRunStarter> | undefined;
  let doorLedger: DoorLedger | undefined;
  let temporalReached: Temporal | undefined;
  let ownEngines = findOwnEngines(config);
  endpoints.then(
    (located) => {
      ownEngines = findOwnEngines(config, located);
    },
    () => {}, // the connections tell
  );
  const services: Services = {
    readiness,
    get engines() {
      return ownEngines;
    },
    get definitions() {
      return reached.definitions ?? missing("postgres");
    },
    get eventTypes() {
      return reached.eventTypes ?? missing("postgres");
    },
    get ledger() {
      return reached.ledger ?? missing("postgres");
    },
    get dueTimes() {
      return reached.dueTimes ?? missing("postgres");
    },
    get skippedDueTimes() {
      return reached.skippedDueTimes ?? missing("postgres");
    },
    get schedules() {
      return reached.schedules ?? missing("temporal");
    },
    get events() {
      return reached.events ?? missing("nats");
    },
    get control() {
      return reached.control ?? missing("postgres");
    },
    get keys() {
      return reached.keys ?? missing("postgres");
    },
    get audit() {
      return reached.audit ?? missing("postgres");
    },
    get sync() {
      return reached.sync ?? missing("postgres");
    },
  };
  function missing(engine: Engine): never {
    const why = readiness.report().engines[engine]?.error ?? "not reached yet";
    throw new RetryableError(`${engine}_unavailable`, `${engine} is not there: ${why}`);
  }

  const keyless = keylessOf(config);
  let closed = keyless === "never" ? notOpenYet() : undefined;
  if (keyless === "always")
    log.warn(
      { address: formatAddress(config.apiAddr), setting: SETTINGS.insecureNoAuth.env },
      "INSECURE: the API asks nobody for a key; whoever reaches this address can read, change and run everything",
    );
  const server = listen(services);
  const role = createRole("api", { readiness, log }, async (signal, running) => {
    const engines = [
      connections.postgres().then(async (postgres) => {
        const { db } = postgres;
        reached.keys = createKeyStore(db);
        if (closed) await requireKeys(reached.keys, config.apiAddr, signal, log);
        closed = undefined;
        reached.audit = createAuditReader(db);
        reached.sync = createSync({
          config,
          rules: { types: taskTypes, engines: ownEngines },
          postgres,
          temporal: () => temporalReached ?? missing("temporal"),
          metrics,
          readiness,
          log,
        });
        reached.definitions = createDefinitionStore(db);
        reached.eventTypes = createEventTypeReader(db);
        doorLedger = {
          ...createEnforcedTypeReader(postgres.prepared),
          ...createEventContentReader(postgres.prepared),
        };
        reached.ledger = createLedgerReader(db);
        reached.dueTimes = createDueTimeReader(db);
        reached.skippedDueTimes = createSkippedReader(db);
        reached.control = createRunControl({
          accepted: createAcceptanceLedger(db),
          reader: reached.ledger,
          definitions: reached.definitions,
          runs: createRunLedger(db),
          // A request is accepted while Temporal was never reached: the finisher starts it.
          starter: {
            ...createOwedStarter(
              { start: async (run) => (starter ?? missing("temporal")).start(run) },
              createWorkflowIdLedger(db),
              log,
            ),
            cancel: async (workflow) => (starter ?? missing("temporal")).cancel(workflow),
          },
          log,
        });
      }),
      connections.nats().then((nats) => {
        reached.events = createCheckedPublisher(createPublisher(nats), () => doorLedger);
      }),
      connections.temporal().then((temporal) => {
        temporalReached = temporal;
        starter = createRunStarter(temporal);
        reached.schedules = createScheduleReader(temporal);
      }),
    ];
    if (!closed)
      running(); // it serves what it can: the engines say the rest
    else void engines[0]?.then(running, () => {});
    await Promise.race([Promise.all(engines), aborted(signal)]);
    await aborted(signal);
    await server.stop(); // refuses new connections and resolves when the last answer is out
  });
  return { ...role, close: async () => void server.stop(true) };

  function listen(services: Services) {
    const authenticator = createAuthenticator({ keys: () => services.keys, keyless, log });
    const hosts = { loopback: isLoopback(config.apiAddr.host), hosts: config.apiHosts };
    const app = createApp(services, { ...authenticator, hosts, closed: () => closed }, log, taskTypes);
    const { host, port } = config.apiAddr;
    try {
      // http/body.ts bounds each body as it reads; Bun's own refusal would be no problem+json.
      // Without `reusePort: false`, Elysia lets a second server share the port, and each would get some of the requests.
      app.listen({
        hostname: host,
        port,
        reusePort: false,
        maxRequestBodySize: Number.MAX_SAFE_INTEGER,
        idleTimeout: 30,
      });
    } catch (error) {
      if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
      throw portInUse(SETTINGS.apiAddr, config.apiAddr, "the API");
    }
    if (!app.server) throw new Error("the listener did not start");
    return app.server;
  }
}

function keylessOf({ insecureNoAuth, apiAddr }: Config): Keyless {
  if (insecureNoAuth) return "always";
  return isLoopback(apiAddr.host) ? "until_first_key" : "never";
}

function notOpenYet(): RetryableError {
  return new RetryableError("not_open_yet", "the API opens when it has found that there are keys");
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
